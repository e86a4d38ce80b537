/** How often something may be tried; each key has a bucket of tries that fills again by and by. */
export interface Attempts {
  /** Takes a try of every key, or none of any. @returns 0, or how many ms until there is one for all */
  take(keys: readonly string[]): number
  /** Gives back what a try took that was no guess. */
  giveBack(keys: readonly string[]): void
}

export interface AttemptsOptions {
  readonly tries: number
  /** How long a try takes to come back. */
  readonly refillMs: number
  readonly maxKeys?: number
  /** In ms, never going back. */
  readonly now?: () => number
}

interface Bucket {
  readonly left: number
  readonly at: number
}

/** In bounded memory: keys whose bucket is full again are forgotten, and then those used longest ago. */
export function createAttempts({ tries, refillMs, maxKeys = 10_000, now }: AttemptsOptions): Attempts {
  const clock = now ?? (() => performance.now())
  const buckets = new Map<string, Bucket>()
  const leftOf = (key: string) => {
    const bucket = buckets.get(key)
    return bucket ? Math.min(tries, bucket.left + (clock() - bucket.at) / refillMs) : tries
  }
  const keep = (key: string, left: number) => {
    // Last in the order of insertion is used last.
    buckets.delete(key)
    if (left >= tries) return
    buckets.set(key, { left, at: clock() })
    if (buckets.size <= maxKeys) return
    for (const known of buckets.keys()) if (leftOf(known) >= tries) buckets.delete(known)
    const [oldest] = buckets.keys()
    if (buckets.size > maxKeys && oldest !== undefined) buckets.delete(oldest)
  }
  return {
    take(keys) {
      const least = Math.min(...keys.map(leftOf))
      if (least < 1) return Math.ceil((1 - least) * refillMs)
      for (const key of keys) keep(key, leftOf(key) - 1)
      return 0
    },
    giveBack(keys) {
      for (const key of keys) keep(key, leftOf(key) + 1)
    },
  }
}
