/**
 * What k agreeing executions do not show: with 95 % confidence, all other outcomes together are rarer than this. The first
 * execution names the outcome, the k − 1 others test it: if all others are as rare as p, k − 1 agree with probability
 * (1 − p)^(k−1), which is 0.05 at p = 1 − 0.05^(1/(k−1)).
 *
 * @returns null for one execution, which shows nothing
 */
export function otherOutcomesBelow(executions: number): number | null {
  return executions < 2 ? null : 1 - 0.05 ** (1 / (executions - 1))
}
