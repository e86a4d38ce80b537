import { expect, it } from 'vitest'
import { exitCodeOf } from './exit-code.ts'
import type { Comparison, Verdict } from './format.ts'

const reportOf = (...verdicts: Verdict[]) => ({ comparisons: verdicts.map((verdict) => ({ verdict }) as Comparison) })

it.each<[Verdict[], number]>([
  [['identical', 'identical'], 0],
  [['identical', 'divergent'], 1],
  [['incomplete', 'nondeterministic', 'identical'], 1],
  [['identical', 'incomplete'], 3],
  [[], 3],
])('%s ends with %i', (verdicts, code) => {
  expect(exitCodeOf(reportOf(...verdicts))).toBe(code)
})
