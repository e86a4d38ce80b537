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
  /** Executions of each cell that one trial needs alone: ⌈log₄(40·T)⌉. */
  readonly needed: number
  /**
   * Whether the trials that show this partition may be claimed.
   *
   * @param trials all trials of one setting in one workload: also those whose bits stayed, and those that are silenced
   */
  claims(trials: readonly TrialOutcome[], partition: string): boolean
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
 *    stay below 0.05/T. The test computes that exactly.
 *
 * n counts every trial, also the silenced: leaving out those that disagreed with themselves would let one lucky trial
 * of many count alone. One execution shows nothing about a cell, so it never counts.
 *
 * @param pairs T, the (setting, workload) pairs of the plan
 */
export function createClaimRule(pairs: number): ClaimRule {
  const limit = Math.log2(0.05 / Math.max(1, pairs)) - margin
  const allowed = (n: number, bounds: readonly number[]): boolean => {
    let choices = 0
    return bounds
      .toSorted((a, b) => a - b)
      .some((largest, i) => {
        const g = i + 1
        choices += Math.log2((n - i) / g)
        return choices + g * largest <= limit
      })
  }
  return {
    needed: executionsNeeded(pairs),
    claims: (trials, partition) =>
      allowed(
        trials.length,
        trials.filter((trial) => trial.partition === partition).map((trial) => logBound(trial, trial.executions)),
      ),
    needs: (trials, partition) => {
      const own = trials.filter((trial) => trial.partition === partition)
      if (own.length === 0) throw new RangeError(`no trial shows the partition ${partition}`)
      let needed = 2
      while (
        !allowed(
          trials.length,
          own.map((trial) => logBound(trial, needed)),
        )
      )
        needed++
      return needed
    },
  }
}

/** The binary logarithm of looks·2·4⁻ᵏ; 0 if that is no bound. */
function logBound({ looks = 1 }: TrialOutcome, executions: number): number {
  return executions < 2 ? 0 : Math.min(0, Math.log2(looks) + 1 - 2 * executions)
}
