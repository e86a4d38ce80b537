/**
 * The time in ms since 1970 as this process knew it when it started, and the monotonic clock's since then: for what has
 * to hold while it runs, whoever sets the machine's clock meanwhile.
 */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now()
}
