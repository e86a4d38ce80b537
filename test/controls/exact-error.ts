import type { ClaimRule, TrialOutcome } from '../../coordinator/findings/claim.ts'

// The exact error of the claim rule, for settings that do nothing: no sampling, and no smaller than what can happen.

/** One planned trial: m cells with one distribution of two outcomes, k executions each. */
export interface PlannedTrial {
  readonly cells: number
  readonly executions: number
  /** Probability of one of the two outcomes. */
  readonly p: number
}

interface Chances {
  /** All cells agree with themselves, and not all are equal. */
  readonly whole: number
  /** Some cell disagrees with itself, and two of the others differ. */
  readonly rest: number
}

function chancesOf({ cells, executions, p }: PlannedTrial): Chances {
  const [x, y] = [p ** executions, (1 - p) ** executions]
  const whole = (x + y) ** cells - x ** cells - y ** cells
  const any = 1 - (1 - x) ** cells - (1 - y) ** cells + Math.max(0, 1 - x - y) ** cells
  return { whole: Math.max(0, whole), rest: Math.max(0, any - whole) }
}

/**
 * The probability that the rule claims a setting that does nothing, over all outcomes of some independent trials. All
 * trials that differ count as one partition, which can only be more than what the rule claims.
 */
export function exactError(rule: ClaimRule, planned: readonly PlannedTrial[]): number {
  const kinds = planned.map((trial) => {
    const { whole, rest } = chancesOf(trial)
    const { executions, cells } = trial
    return [
      [whole, { partition: 'differ', executions }],
      [rest, { partition: 'differ', executions, looks: (cells * (cells - 1)) / 2 }],
      [1 - whole - rest, { partition: 'stayed', executions }],
    ] as const
  })
  let error = 0
  const visit = (i: number, probability: number, trials: readonly TrialOutcome[]) => {
    if (probability === 0) return
    const kind = kinds[i]
    if (kind === undefined) error += rule.claims(trials, 'differ') ? probability : 0
    else for (const [chance, trial] of kind) visit(i + 1, probability * chance, [...trials, trial])
  }
  visit(0, 1, [])
  return error
}

/** The same for n trials that are planned alike, where only how many differ matters. */
export function exactErrorOfAlike(rule: ClaimRule, trial: PlannedTrial, n: number): number {
  const { whole, rest } = chancesOf(trial)
  const { executions, cells } = trial
  const some = (count: number, outcome: TrialOutcome) => new Array<TrialOutcome>(count).fill(outcome)
  let error = 0
  for (let i = 0; i <= n; i++) {
    for (let j = 0; i + j <= n; j++) {
      const trials = [
        ...some(i, { partition: 'differ', executions }),
        ...some(j, { partition: 'differ', executions, looks: (cells * (cells - 1)) / 2 }),
        ...some(n - i - j, { partition: 'stayed', executions }),
      ]
      if (!rule.claims(trials, 'differ')) continue
      error += choose(n, i) * choose(n - i, j) * whole ** i * rest ** j * (1 - whole - rest) ** (n - i - j)
    }
  }
  return error
}

function choose(n: number, g: number): number {
  let product = 1
  for (let i = 0; i < g; i++) product = (product * (n - i)) / (i + 1)
  return product
}
