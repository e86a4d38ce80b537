/** Waits between attempts to connect: doubling up to a bound, each drawn at random below it, so that agents part. */
export interface Backoff {
  /** How long to wait before the next attempt. */
  nextMs(): number
  /** An attempt succeeded. */
  reset(): void
}

export function createBackoff(firstMs = 500, longestMs = 30_000, random: () => number = Math.random): Backoff {
  let attempts = 0
  return {
    nextMs() {
      const boundMs = Math.min(longestMs, firstMs * 2 ** attempts++)
      return boundMs * (0.5 + random() / 2)
    },
    reset() {
      attempts = 0
    },
  }
}
