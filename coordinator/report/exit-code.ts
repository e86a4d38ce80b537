import type { Report } from './format.ts'

/**
 * The exit code of commands that compare: 1 if anything is divergent or nondeterministic, else 3 if anything is
 * incomplete, else 0. An error of use or of the system is 2, and leaves no report to ask about.
 */
export function exitCodeOf({ comparisons }: Pick<Report, 'comparisons'>): 0 | 1 | 3 {
  const verdicts = new Set(comparisons.map(({ verdict }) => verdict))
  if (verdicts.has('divergent') || verdicts.has('nondeterministic')) return 1
  // A run that compared nothing has not shown that anything is identical.
  return verdicts.has('incomplete') || verdicts.size === 0 ? 3 : 0
}
