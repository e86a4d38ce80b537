/**
 * How many equal executions each cell needs before a difference between cells counts as caused by a setting:
 * k = ⌈log₄(40·T)⌉, at least 2. Two cells of one fair coin agree k times each and differ with a probability of at most
 * 2·4⁻ᵏ, and 2·4⁻ᵏ ≤ 0.05/T is 4ᵏ ≥ 40·T: over all T judgements the error stays at 5 %.
 *
 * @param pairs T, the number of (setting, workload) pairs that are judged together: a whole number from 0
 * @throws RangeError if it is not
 */
export function executionsNeeded(pairs: number): number {
  if (!Number.isSafeInteger(pairs) || pairs < 0) throw new RangeError(`${pairs} pairs are not a whole number from 0`)
  let needed = 2
  // Powers of 4 are exact in binary64, and logarithms are not.
  for (let power = 16; power < 40 * pairs; power *= 4) needed++
  return needed
}
