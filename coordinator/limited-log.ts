import { createAttempts } from './attempts.ts'

export interface LimitedLogOptions {
  /** Lines of one peer at once. */
  readonly lines?: number
  /** How long until one more. */
  readonly refillMs?: number
  /** In ms, never going back. */
  readonly now?: () => number
}

/** Longest line that a peer causes, in characters: what it says stands in it. */
const maxCharacters = 500

/**
 * A log that no peer can fill: of each so many lines, each of so many characters. How many were left out is said with
 * the next one that is not.
 *
 * @returns takes whose doing it is, and the line
 */
export function createLimitedLog(
  log: (message: string) => void,
  { lines = 100, refillMs = 10_000, now }: LimitedLogOptions = {},
): (whose: string, message: string) => void {
  const attempts = createAttempts({ tries: lines, refillMs, ...(now && { now }) })
  const leftOut = new Map<string, number>()
  return (whose, message) => {
    const before = leftOut.get(whose) ?? 0
    if (attempts.take([whose]) > 0) {
      // Whoever is one of very many is counted with the others.
      const counted = leftOut.has(whose) || leftOut.size < 1000 ? whose : 'others'
      leftOut.set(counted, (leftOut.get(counted) ?? 0) + 1)
      return
    }
    leftOut.delete(whose)
    const text = message.length > maxCharacters ? `${message.slice(0, maxCharacters)}…` : message
    log(before === 0 ? text : `${text} (${before} more of ${whose} before were left out)`)
  }
}
