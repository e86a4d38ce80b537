/**
 * The wall clock as it was when this process started, and the monotonic time since, in ms since 1970. What the
 * coordinator tells agents of time is by this one: set forward or back, the other would have every job expire on the
 * lines that are open, or none.
 */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now()
}
