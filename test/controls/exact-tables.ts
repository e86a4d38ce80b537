import { createClaimRule } from '../../coordinator/findings/claim.ts'
import { otherOutcomesBelow } from '../../coordinator/compare/self.ts'
import { executionsNeeded } from '../../shared/executions-needed.ts'
import { exactErrorOfAlike } from './exact-error.ts'
import { markdownTable } from './write-section.ts'

// Tables that need no sampling.

function percent(share: number): string {
  return `${(100 * share).toPrecision(2)} %`
}

export function selfTable(): string {
  const rows = [1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 60].map((k) => {
    const share = otherOutcomesBelow(k)
    return [k, share === null ? 'nothing is known' : percent(share)]
  })
  return `## What equal executions of one cell show

If all k executions of a cell are equal, then with 95 % confidence all other outcomes together are rarer than this share.

${markdownTable(['executions', 'other outcomes are rarer than'], rows)}`
}

export function neededTable(): string {
  const settings = [1, 2, 5, 6, 10, 25, 26, 50, 100, 102, 103, 409, 410, 1000, 10_000]
  const rows = settings.map((pairs) => {
    const rule = createClaimRule(pairs)
    const k = executionsNeeded(pairs)
    const worst = largestError(pairs)
    const one = exactErrorOfAlike(rule, { cells: 2, executions: k, p: 0.5 }, 1)
    return [pairs, k, percent(pairs * one), percent(pairs * worst)]
  })
  return `## Executions that a claim needs

A plan tests T pairs of a setting and a workload. To claim that a setting changes the bits, each cell needs k = ⌈log₄(40 · T)⌉ equal
executions. The last two columns are exact probabilities that a run claims any of T settings that do nothing, if every cell is a coin of
the worst kind: with one trial of two levels each, and at worst over 1 to 12 trials, 2 to 8 levels, 2 to 10 executions and all coins.

${markdownTable(['T', 'executions', 'false claim, one trial each', 'false claim, worst case'], rows)}`
}

function largestError(pairs: number): number {
  const rule = createClaimRule(pairs)
  let worst = 0
  for (const n of [1, 2, 3, 4, 6, 8, 12]) {
    for (const cells of [2, 3, 5, 8]) {
      for (let executions = 2; executions <= 10; executions++) {
        for (let p = 0.02; p <= 0.5; p += 0.04) {
          worst = Math.max(worst, exactErrorOfAlike(rule, { cells, executions, p }, n))
        }
      }
    }
  }
  return worst
}
