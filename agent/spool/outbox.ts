import { type ErrorCode, isBitfleetError, messageOf } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { JobKey } from './file-name.ts'

/**
 * Hands results in over one line, one after another: each is read from disk when its turn comes, and no more are under
 * way than a slow coordinator can be expected to hold.
 */
export interface Outbox {
  /** A result is there; one that was sent already is sent again. */
  offer(key: JobKey): void
  /** The coordinator answered for it, whatever it said. */
  answered(key: JobKey): void
  /** The line is closed; what was not answered is for the next one. */
  close(): void
}

export interface OutboxOptions<Result> {
  /** Undefined where it is not owed any more. */
  read(key: JobKey): Promise<Result | undefined>
  /** Resolves when the line has taken it. @throws `unavailable` once the line is closed */
  send(result: Result): Promise<void>
  readonly log: (line: string) => void
  /** Results sent and not answered, at most. */
  readonly window?: number
  /** After so long without an answer a result keeps no other back; it is sent again on the next line. */
  readonly answerMs?: number
}

const rereadMs = 5_000

export function createOutbox<Result>(options: OutboxOptions<Result>): Outbox {
  const { read, send, log, window = 16, answerMs = 60_000 } = options
  const waiting = new Map<string, JobKey>()
  /** Sent and not answered; the timer gives it up. */
  const unanswered = new Map<string, NodeJS.Timeout>()
  let closed = false
  let pumping = false

  const release = (key: string) => {
    clearTimeout(unanswered.get(key))
    unanswered.delete(key)
  }
  const close = () => {
    closed = true
    waiting.clear()
    for (const key of [...unanswered.keys()]) release(key)
  }

  const sendOne = async (key: string, { job, attempt }: JobKey) => {
    // Before it is sent: the answer may be here before the line says that it took it.
    const timer = setTimeout(() => {
      release(key)
      void pump()
    }, answerMs)
    timer.unref()
    release(key)
    unanswered.set(key, timer)
    const result = await read({ job, attempt }).catch((error: unknown) => {
      // The disk's bad moment, not the result's.
      log(`result of ${visibleLine(job)} (attempt ${attempt}) is read again later: ${messageOf(error)}`)
      setTimeout(() => offer({ job, attempt }), rereadMs).unref()
    })
    if (result === undefined || closed) return release(key)
    try {
      await send(result)
    } catch (error) {
      release(key)
      if (hasCode(error, 'unavailable')) return close()
      log(`result of ${visibleLine(job)} (attempt ${attempt}): ${messageOf(error)}`)
    }
  }

  const pump = async () => {
    if (pumping) return
    pumping = true
    while (unanswered.size < window) {
      const next = waiting.entries().next()
      if (next.done) break
      const [key, value] = next.value
      waiting.delete(key)
      await sendOne(key, value)
    }
    pumping = false
  }

  const offer = ({ job, attempt }: JobKey) => {
    if (closed) return
    waiting.set(keyOf({ job, attempt }), { job, attempt })
    void pump()
  }

  return {
    offer,
    answered(key) {
      waiting.delete(keyOf(key))
      release(keyOf(key))
      void pump()
    },
    close,
  }
}

function keyOf({ job, attempt }: JobKey): string {
  return `${attempt}/${job}`
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return isBitfleetError(error) && error.code === code
}
