import { type EnrolmentToken, enrolledSchema } from '../../shared/enrolment.ts'
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { fingerprintOf, type KeyPair } from '../../shared/keys.ts'
import { type AgentMessage, coordinatorMessageSchema, oldestProtocol, protocolVersion } from '../../shared/messages.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import type { EnrolmentState } from './enrolment-file.ts'

export interface EnrolmentWish {
  readonly key: KeyPair
  readonly token: EnrolmentToken
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

const answerMs = 30_000

/**
 * Enrols over a line of its own, which it closes. The coordinator proves by its signature that it is the one whose
 * fingerprint the token carries, whoever stands between.
 *
 * @returns what the agent has to know from then on, but for the address
 * @throws `refused` where the coordinator refuses, or is another; `unavailable` where it does not answer
 */
export async function enrolOverLine(
  connection: Connection,
  { key, token, name, labels }: EnrolmentWish,
): Promise<Omit<EnrolmentState, 'url'>> {
  const enrolment = {
    coordinator: token.coordinator,
    key: key.publicKey,
    labels: { ...labels },
    name,
    token: token.key.publicKey,
  }
  const sign = (by: KeyPair) => signPayload('bitfleet/enrolment@1', enrolment, by)
  const request: AgentMessage = {
    ...{ type: 'enrol', protocol: protocolVersion, oldest: oldestProtocol, enrolment },
    signatures: { agent: sign(key), token: sign(token.key) },
  }
  const late = setTimeout(() => connection.close(`no answer in ${answerMs / 1000} s`), answerMs)
  try {
    await connection.send(request)
    for await (const { message } of connection.frames) {
      const parsed = coordinatorMessageSchema.safeParse(message).data
      if (parsed?.type === 'refused') throw new BitfleetError('refused', `the coordinator refused: ${parsed.reason}`)
      if (parsed?.type !== 'enrolled') continue
      const enrolled = enrolledSchema.parse(parsed.enrolled)
      if (fingerprintOf(enrolled.coordinator) !== token.coordinator) {
        throw new BitfleetError(
          'refused',
          `the coordinator there has the key ${fingerprintOf(enrolled.coordinator)}, the token is for ${token.coordinator}; is the address right, or does somebody stand between?`,
        )
      }
      const own = enrolled.key === key.publicKey
      if (!own || !isSignedBy(enrolled.coordinator, 'bitfleet/enrolled@1', enrolled, parsed.signature)) {
        throw new BitfleetError('refused', "the enrolment's answer is not signed by the coordinator of the token")
      }
      // Enrolled anew, the chain of connections begins anew; enrolled before, its own state has the chain.
      return { coordinator: enrolled.coordinator, name, labels: { ...labels }, sequence: enrolled.sequence, mark: '' }
    }
    throw new BitfleetError(
      'unavailable',
      `the line closed before the coordinator answered: ${await connection.closed}`,
    )
  } finally {
    clearTimeout(late)
    connection.close('enrolled')
  }
}
