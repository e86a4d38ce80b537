/** One figure beside its peer's, measured in the same run. */
export interface Row {
  readonly id: string
  /** Best of the repetitions. */
  readonly figure: number
  readonly unit: string
  readonly peer: string
  /** How many times the peer's speed; null where the peer could not run. */
  readonly ratio: number | null
  readonly goal: number
  readonly met: boolean | null
}

export interface BenchOptions {
  /** Size of the largest tensor. */
  readonly mib: number
  readonly repetitions: number
  readonly python: string
  readonly log: (line: string) => void
}

export type Bench = (options: BenchOptions) => Promise<Row[]>

/** Shortest time in milliseconds of each, taken in turns so that a disturbance meets all of them. */
export function bestTimes(repetitions: number, works: readonly (() => void)[]): number[] {
  const best = works.map(() => Infinity)
  for (let repetition = 0; repetition < repetitions; repetition++) {
    works.forEach((work, i) => {
      const begun = performance.now()
      work()
      best[i] = Math.min(best[i] as number, performance.now() - begun)
    })
  }
  return best
}
