import { type EnrolmentToken, enrolledSchema, parseToken } from '../../shared/enrolment.ts'
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { fingerprintOf, type KeyPair } from '../../shared/keys.ts'
import {
  agentEndpoint,
  type AgentMessage,
  coordinatorMessageSchema,
  oldestProtocol,
  protocolVersion,
} from '../../shared/messages.ts'
import { below, parseAddress } from '../../shared/network/address.ts'
import type { Network } from '../../shared/network/network.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { connectWebSocket } from '../../shared/transports/websocket.ts'
import { type EnrolmentState, readEnrolment, writeEnrolment } from './enrolment-file.ts'
import { openIdentity } from './identity.ts'

export interface EnrolmentWish {
  readonly key: KeyPair
  readonly token: EnrolmentToken
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** @throws `usage` */
export function endpointOf(coordinator: string): string {
  return below(parseAddress(coordinator), agentEndpoint).href
}

export interface EnrolOptions {
  /** The coordinator's address. */
  readonly url?: string
  /** A token's text. */
  readonly token?: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Claimed by this process; an absolute path. */
  readonly stateDir: string
  readonly network?: Network
  readonly caFile?: string
  /** By a token that it did not enrol with it enrols anew: its coordinator may have forgotten it. */
  readonly anew?: boolean
  readonly log: (line: string) => void
}

/**
 * Enrols the agent of a state folder by a token, once: the same token given again changes nothing.
 *
 * @throws `refused`, `usage` without a token and an address, `unavailable` where no coordinator answers
 */
export async function ensureEnrolled(options: EnrolOptions): Promise<EnrolmentState> {
  const { stateDir, token: text, network, log } = options
  const known = readEnrolment(stateDir)
  const token = text === undefined ? undefined : parseToken(text)
  const { caFile = known?.caFile } = options
  const authority = caFile === undefined ? {} : { caFile }
  const isOfOurs = token !== undefined && known !== undefined && fingerprintOf(known.coordinator) === token.coordinator
  if (known && (!token || (isOfOurs && !(options.anew && token.id !== known.token)))) {
    const now = { ...known, ...authority }
    if (now.caFile !== known.caFile) writeEnrolment(stateDir, now)
    return options.url === undefined || options.url === known.url ? now : { ...now, url: options.url }
  }
  const { url } = options
  if (!token || url === undefined) {
    throw new BitfleetError(
      'usage',
      'this agent has not enrolled: `bitfleet token create` on the coordinator makes a token, `bitfleet agent enroll URL` takes it',
    )
  }
  const key = openIdentity(stateDir)
  const { name, labels } = options
  const enrolled = await enrolOverLine(await connectWebSocket(endpointOf(url), { network }), {
    ...{ key, token, name, labels },
  })
  if (enrolled.sequence > 0) {
    throw new BitfleetError(
      'refused',
      `agent ${key.id} has connected before, and ${stateDir} does not know how often; \`bitfleet agent reset\` and enrol with a new token`,
    )
  }
  const state = { ...enrolled, url, ...authority }
  writeEnrolment(stateDir, state)
  log(`enrolled as ${name} (${key.id}) with the coordinator ${fingerprintOf(state.coordinator)}`)
  return state
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
): Promise<Omit<EnrolmentState, 'url' | 'caFile'>> {
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
      const { coordinator, sequence } = enrolled
      return { coordinator, name, labels: { ...labels }, token: token.id, sequence, mark: '' }
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
