import type { HeldJob } from '../../shared/messages.ts'

/**
 * What an agent holds of its jobs: each attempt for a while, renewed whenever the agent says that it still has it. The
 * attempt's number is the fencing token: it grows with every grant, and a result names its own.
 *
 * Time is the monotonic clock's, so that nobody's clock being set ends or prolongs a lease.
 */
export interface Leases {
  readonly size: number
  /** The attempt under lease. */
  attemptOf(job: string): number | undefined
  grant(job: string, attempt: number): void
  /** Of those that are held here still; others are nobody's any more. */
  renew(jobs: readonly HeldJob[]): void
  /** Ends an attempt's lease; another attempt's stays. */
  end(job: string, attempt: number): void
  /** Ends and gives those that were not renewed for so long. */
  expire(leaseMs: number): string[]
  jobs(): string[]
}

/** @param now in ms, monotonic */
export function createLeases(now: () => number = () => performance.now()): Leases {
  const held = new Map<string, { attempt: number; renewedMs: number }>()
  return {
    get size() {
      return held.size
    },
    attemptOf: (job) => held.get(job)?.attempt,
    grant(job, attempt) {
      held.set(job, { attempt, renewedMs: now() })
    },
    renew(jobs) {
      for (const { job, attempt } of jobs) {
        const lease = held.get(job)
        if (lease?.attempt === attempt) lease.renewedMs = now()
      }
    },
    end(job, attempt) {
      if (held.get(job)?.attempt === attempt) held.delete(job)
    },
    expire(leaseMs) {
      const before = now() - leaseMs
      const over = [...held].filter(([, { renewedMs }]) => renewedMs < before).map(([job]) => job)
      for (const job of over) held.delete(job)
      return over
    },
    jobs: () => [...held.keys()],
  }
}
