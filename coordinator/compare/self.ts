/**
 * What k equal executions of a cell leave open. With 95 % confidence, all other outcomes together are rarer than this.
 *
 * The first execution names the outcome, and the other k − 1 test it. If all other outcomes together have the share s,
 * none shows up in k − 1 executions with probability (1 − s)^(k − 1). That is 5 % at s = 1 − 0.05^(1/(k − 1)): 95 % at
 * k = 2, 78 % at 3, 28 % at 10, 5 % at 60.
 *
 * @param executions k, a whole number from 0
 * @returns a share between 0 and 1; null for fewer than two executions, which show nothing
 */
export function otherOutcomesBelow(executions: number): number | null {
  return executions < 2 ? null : 1 - 0.05 ** (1 / (executions - 1))
}
