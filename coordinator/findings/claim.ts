import { executionsNeeded } from '../../shared/executions-needed.ts'

/** One trial: cells that differ in one setting. */
export interface TrialOutcome {
  /** How its cells differ. Equal texts are equal partitions. */
  readonly partition: string
  /** The least number of executions of a cell that counts; all of a cell's executions were equal. */
  readonly executions: number
  /** Among how many pairs of cells the difference was looked for: 1 if every cell of the trial counts, else C(m, 2). */
  readonly looks?: number
}

/** Decides whether a difference between cells may be claimed. */
export interface ClaimRule {
  /** The least number of executions of each cell with which a trial counts: ⌈log₄(40·T)⌉. */
  readonly needed: number
  /**
   * Whether the trials that show this partition may be claimed.
   *
   * @param trials all trials of one setting in one workload: also those whose bits stayed, and those that are silenced
   */
  claims(trials: readonly TrialOutcome[], partition: string): boolean
  /**
   * Those of the trials that may be claimed together: as many as the bound allows, those with the most executions first.
   * None if this partition may not be claimed.
   */
  counted<Trial extends TrialOutcome>(trials: readonly Trial[], partition: string): Trial[]
  /** The least number of executions of each cell with which these trials are claimed, if nothing else changes. */
  needs(trials: readonly TrialOutcome[], partition: string): number
}

/** Logarithms may be off in their last digits. A claim must hold with this to spare, as a power of two. */
const margin = 1e-9

/**
 * The rule of DESIGN §6.4: the share of runs in which it claims any setting that does nothing is at most 5 %.
 *
 * 1. Two cells of one distribution agree with themselves in k executions each and differ with probability
 *    Σᵢ≠ⱼ pᵢᵏpⱼᵏ. Merging the two rarest outcomes raises the sum for k ≥ 2, so a coin is the worst case, and a fair one
 *    the worst coin: at most 2·4⁻ᵏ. With m cells, all of which must agree with themselves, it is no more. If some may be
 *    left out, each of C(m, 2) pairs is a chance: at most C(m, 2)·2·4⁻ᵏ.
 * 2. Let w be the largest of these bounds among g trials. Some g of n independent trials differ with probability at most
 *    C(n, g)·wᵍ. This must be at most 0.05/T for each of T settings and workloads that are judged.
 * 3. g and w are chosen after the fact. Each execution divides the bound by 4, so the events of all (g, w) together still
 *    stay below 0.05/T. The tests compute that exactly.
 *
 * A trial counts only with the k = ⌈log₄(40·T)⌉ executions that it would need alone, however many others agree with it.
 * So trials that lack executions may be repeated up to that k after a first look: each gets one chance, at k. If fewer
 * executions counted, each look would be a chance of its own, and two looks reach 11 %.
 *
 * n counts every trial, also the silenced: leaving out those that disagreed with themselves would let one lucky trial
 * of many count alone.
 *
 * @param pairs T, the (setting, workload) pairs of the plan
 */
export function createClaimRule(pairs: number): ClaimRule {
  const needed = executionsNeeded(pairs)
  const limit = Math.log2(0.05 / Math.max(1, pairs)) - margin
  const counted: ClaimRule['counted'] = (trials, partition) => {
    const own = trials
      .filter((trial) => trial.partition === partition && trial.executions >= needed)
      .map((trial) => ({ trial, bound: logBound(trial, trial.executions) }))
      .sort((a, b) => a.bound - b.bound)
    const bounds = own.map(({ bound }) => bound)
    const last = chances(trials.length, bounds).findLastIndex((chance) => chance <= limit)
    return own.slice(0, last + 1).map(({ trial }) => trial)
  }
  return {
    needed,
    claims: (trials, partition) => counted(trials, partition).length > 0,
    counted,
    needs(trials, partition) {
      const own = trials.filter((trial) => trial.partition === partition)
      if (own.length === 0) throw new RangeError(`no trial shows the partition ${partition}`)
      const enough = (executions: number) => {
        const bounds = own.map((trial) => logBound(trial, executions)).sort((a, b) => a - b)
        return chances(trials.length, bounds).some((chance) => chance <= limit)
      }
      let executions = needed
      while (!enough(executions)) executions++
      return executions
    },
  }
}

/**
 * The binary logarithms of C(n, g)·wᵍ for g = 1, 2, …, where w is the largest of the g smallest bounds.
 *
 * @param bounds ascending
 */
function chances(n: number, bounds: readonly number[]): number[] {
  let choices = 0
  return bounds.map((largest, i) => {
    choices += Math.log2((n - i) / (i + 1))
    return choices + (i + 1) * largest
  })
}

/** The binary logarithm of looks·2·4⁻ᵏ; 0 if that is no bound. */
function logBound({ looks = 1 }: TrialOutcome, executions: number): number {
  return Math.min(0, Math.log2(looks) + 1 - 2 * executions)
}
