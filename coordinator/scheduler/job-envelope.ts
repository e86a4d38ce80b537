import { createHmac } from 'node:crypto'
import { signPayload } from '../../shared/envelope.ts'
import type { KeyPair } from '../../shared/keys.ts'
import type { Job, PlannedJob } from '../../shared/messages.ts'
import { steadyNow } from '../../shared/steady-clock.ts'

export interface JobEnvelopes {
  /** Addresses a job to an agent, and signs it. */
  seal(job: PlannedJob, agent: string): { readonly job: Job; readonly signature: string }
  /** The nonce of an attempt, which nobody wrote down: a later process that has the key knows it too. 16 bytes in hex. */
  nonceOf(agent: string, job: string, attempt: number): string
}

/** How long an agent may take a job for new; it is sent once a slot is free, so that minutes are plenty. */
const lifeMs = 10 * 60_000

/** @param now the clock that lines are opened by, in ms since 1970: agents judge by that when a job expires */
export function createJobEnvelopes(key: KeyPair, now: () => number = steadyNow): JobEnvelopes {
  const seed = key.privateKey.export({ format: 'der', type: 'pkcs8' })
  const secret = createHmac('sha256', seed).update('bitfleet/nonce@1').digest()
  const nonceOf = (agent: string, job: string, attempt: number) =>
    createHmac('sha256', secret).update(`${agent}\0${job}\0${attempt}`).digest('hex').slice(0, 32)
  return {
    nonceOf,
    seal(planned, agent) {
      const nonce = nonceOf(agent, planned.id, planned.attempt)
      const job: Job = { ...planned, agent, nonce, expiresAt: new Date(now() + lifeMs).toISOString() }
      return { job, signature: signPayload('bitfleet/job@1', job, key) }
    },
  }
}
