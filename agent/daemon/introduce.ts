import { randomBytes } from 'node:crypto'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { digestOf } from '../../shared/digest.ts'
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { fingerprintOf, type KeyPair } from '../../shared/keys.ts'
import {
  type AgentMessage,
  type AgentProof,
  type AgentRecord,
  type CoordinatorMessage,
  oldestProtocol,
  protocolVersion,
} from '../../shared/messages.ts'
import type { Renewals } from '../enrolment/enrolment-file.ts'

/** Who an agent is to its coordinator. */
export interface Credentials {
  readonly key: KeyPair
  /** The coordinator's public key. */
  readonly coordinator: string
  readonly renewals: Renewals
}

export interface Introduction {
  readonly hello: AgentMessage
  /** @throws `refused` where the coordinator is not the one this agent enrolled with, or speaks another protocol */
  answer(challenge: Extract<CoordinatorMessage, { type: 'challenge' }>): AgentMessage
  /** The coordinator has shown that it is the one this agent enrolled with. */
  proven(): boolean
  /** The coordinator's clock now, in ms since 1970: what it signed, and the monotonic time since. */
  coordinatorNow(): number
}

/** The agent's side of a connection's first words: it says who it is, makes the coordinator prove itself, and proves. */
export function introduce(agent: AgentRecord, { key, coordinator, renewals }: Credentials): Introduction {
  const nonce = randomBytes(16).toString('hex')
  let proven = false
  /** The coordinator's clock less this process's monotonic one. */
  let offsetMs = Date.now() - performance.now()
  return {
    hello: { type: 'hello', protocol: protocolVersion, oldest: oldestProtocol, agent: agent.id, nonce },
    answer(challenge) {
      const { proof } = challenge
      if (challenge.protocol < oldestProtocol || challenge.protocol > protocolVersion) {
        throw new BitfleetError(
          'refused',
          `the coordinator speaks protocol ${challenge.protocol}, this agent speaks ${protocolVersion}; install the same release on both`,
        )
      }
      if (challenge.key !== coordinator) {
        throw new BitfleetError(
          'refused',
          `the coordinator there has the key ${fingerprintOf(challenge.key)}, this agent enrolled with ${fingerprintOf(coordinator)}; if the coordinator was set up anew, \`bitfleet agent reset\` and enrol again`,
        )
      }
      const fresh = proof.agent === agent.id && proof.agentNonce === nonce
      if (!fresh || !isSignedBy(coordinator, 'bitfleet/challenge@1', proof, challenge.signature)) {
        throw new BitfleetError('refused', 'the challenge is not signed for this connection by the coordinator')
      }
      proven = true
      offsetMs = Date.parse(proof.at) - performance.now()
      const renewal = renewals.next()
      const signed: AgentProof = {
        ...{ agent: agent.id, agentNonce: nonce, by: 'agent', nonce: proof.nonce, renewal },
        record: digestOf(canonicalJson(agent)),
      }
      const signature = signPayload('bitfleet/challenge@1', signed, key)
      return { type: 'proof', agent, renewal, signature }
    },
    proven: () => proven,
    coordinatorNow: () => offsetMs + performance.now(),
  }
}
