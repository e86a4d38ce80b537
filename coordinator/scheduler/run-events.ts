import type { Outcome } from '../../shared/execution.ts'
import type { RunState } from '../records.ts'

/** How far a run is: executions by what became of them. */
export interface RunCounts {
  readonly total: number
  readonly waiting: number
  readonly running: number
  /** Ended executions by outcome; `missing` where no agent brought one. Those of zero are left out. */
  readonly ended: Readonly<Partial<Record<Outcome['status'] | 'missing', number>>>
}

export type RunEventBody =
  | ({ readonly type: 'progress' } & RunCounts)
  | {
      readonly type: 'execution'
      readonly cell: string
      readonly repetition: number
      readonly attempt: number
      readonly status: Outcome['status'] | 'missing'
      /** Bare hex. */
      readonly trace?: string
    }
  | { readonly type: 'state'; readonly state: RunState; readonly failure?: string }

/** Numbered upward from 1 within a run, so that a reader can go on where it was cut off. */
export type RunEvent = RunEventBody & { readonly id: number }

export interface EventLog {
  push(event: RunEventBody): void
  /** No more will come; readers end once they have read what there is. */
  end(): void
  /** Events after number `after`, and then as they come. A reader too slow for the log's bound misses the oldest. */
  follow(after: number, signal?: AbortSignal): AsyncGenerator<RunEvent>
}

/**
 * The last `capacity` events. Readers share the log and hold but a place in it, so a slow one costs no memory.
 *
 * @param last number of the event before the first: a process that goes on with a run counts on from where no earlier
 *   one came, so that its readers miss nothing
 */
export function createEventLog(capacity = 1000, last = 0): EventLog {
  const events: RunEvent[] = []
  let ended = false
  const waiting: (() => void)[] = []
  const wake = () => {
    for (const resolve of waiting.splice(0)) resolve()
  }

  return {
    push(event) {
      events.push({ ...event, id: ++last })
      // Cut in large pieces: one shift an event would cost the whole log each time.
      if (events.length >= 2 * capacity) events.splice(0, events.length - capacity)
      wake()
    },
    end() {
      ended = true
      wake()
    },
    async *follow(after, signal) {
      // A number from before this process: it knows nothing that is here.
      let at = after > last ? 0 : after
      signal?.addEventListener('abort', wake)
      try {
        for (;;) {
          if (signal?.aborted) return
          const first = last - events.length + 1
          const next = events[Math.max(at + 1, first) - first]
          if (next !== undefined) {
            at = next.id
            yield next
          } else if (ended) return
          else await new Promise<void>((resolve) => waiting.push(resolve))
        }
      } finally {
        signal?.removeEventListener('abort', wake)
      }
    },
  }
}
