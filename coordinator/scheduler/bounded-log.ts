import { visibleLine } from '../../shared/visible.ts'

export interface LogBounds {
  /** Lines of one period; the rest is counted. */
  readonly most?: number
  readonly periodMs?: number
  /** Of a line, in characters. */
  readonly longest?: number
}

/**
 * A log for what anybody can cause, however often: the first lines of each period stand in it as they are, and what
 * came after them as a number when the period ends. So nobody fills a disk with it, or hides others' lines for long.
 *
 * @param log where the lines go
 */
export function createBoundedLog(
  log: (message: string) => void,
  { most = 20, periodMs = 60_000, longest = 500 }: LogBounds = {},
): (message: string) => void {
  let said = 0
  let unsaid = 0
  let period: NodeJS.Timeout | undefined
  const endPeriod = () => {
    period = undefined
    if (unsaid > 0) log(`${unsaid} more lines of peers closed before they showed who they are`)
    said = unsaid = 0
  }
  return (message) => {
    period ??= setTimeout(endPeriod, periodMs).unref()
    if (++said > most) {
      unsaid++
      return
    }
    const line = visibleLine(message)
    log(line.length > longest ? `${line.slice(0, longest)}…` : line)
  }
}
