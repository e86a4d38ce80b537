import { isSignedBy } from '../../shared/envelope.ts'
import { type Job, jobSchema } from '../../shared/messages.ts'

/** What an agent holds a job against. */
export interface JobBounds {
  readonly agent: string
  /** The coordinator's public key. */
  readonly coordinator: string
  /** The coordinator's clock, in ms since 1970, as far as this side knows it. */
  now(): number
}

export type JudgedJob =
  | { readonly job: Job }
  /** `job` and `attempt` as far as they can be read. */
  | { readonly reason: string; readonly id: string; readonly attempt: number }

/** Whether a job is signed, whole, for this agent, and of now. Whether it was taken before, its taker knows. */
export function judgeJob(value: unknown, signature: string, { agent, coordinator, now }: JobBounds): JudgedJob {
  const said = (typeof value === 'object' && value !== null ? value : {}) as { id?: unknown; attempt?: unknown }
  const id = typeof said.id === 'string' ? said.id.slice(0, 512) : ''
  const attempt = Number.isSafeInteger(said.attempt) ? (said.attempt as number) : 0
  const refuse = (reason: string): JudgedJob => ({ reason, id, attempt })
  if (!isSignedBy(coordinator, 'bitfleet/job@1', value, signature)) {
    return refuse("it is not signed by this agent's coordinator")
  }
  const parsed = jobSchema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return refuse(`it is not a job of this protocol: ${issue?.path.join('.') || 'the job'}: ${issue?.message}`)
  }
  const job = parsed.data
  if (job.agent !== agent) return refuse(`it is for agent ${job.agent}`)
  if (Date.parse(job.expiresAt) <= now()) return refuse(`it expired at ${job.expiresAt}`)
  return { job }
}
