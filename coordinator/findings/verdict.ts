import { verdictBetweenCells } from '../compare/row-verdict.ts'
import { ruleOf } from '../plan/row-rules.ts'
import type { Expectation } from '../records.ts'
import type { Comparison, ReportCore, Verdict } from '../report/format.ts'

/** What the plan expects of a row, and whether it came so. */
export interface Expected {
  readonly expect: Expectation
  readonly met: boolean
}

/** Undefined if the plan expects nothing of the row. */
export function expectedOf(comparison: Comparison, run: ReportCore['run']): Expected | undefined {
  const { expect } = ruleOf(run, comparison)
  if (expect === undefined) return undefined
  const unstable = comparison.nondeterministic.length > 0
  const repeated = (comparison.selfConsistency?.executions ?? 0) > 1
  return { expect, met: expect === 'nondeterministic' ? unstable : !unstable && repeated }
}

/**
 * The verdict of a run: that of its rows, the first that holds. A row that differs from run to run as the plan expects
 * speaks only of its other cells. If no cell had another to be compared with, nothing was compared. An expectation that
 * was not met makes the run incomplete: more executions may show it.
 */
export function runVerdict({ comparisons, run }: Pick<ReportCore, 'comparisons' | 'run'>): Verdict {
  const expected = comparisons.map((comparison) => expectedOf(comparison, run))
  const judged = comparisons.map((comparison, i): Verdict | 'as expected' => {
    const asExpected = expected[i]?.met && expected[i]?.expect === 'nondeterministic'
    if (!asExpected) return comparison.verdict
    const others = verdictBetweenCells(comparison, ruleOf(run, comparison).absent === 'allow')
    return others === 'divergent' || others === 'incomplete' ? others : 'as expected'
  })
  if (judged.includes('nondeterministic')) return 'nondeterministic'
  if (judged.includes('divergent')) return 'divergent'
  const anyCompared = comparisons.some(({ compared }, i) => compared.length > 1 && judged[i] !== 'as expected')
  if (!anyCompared) return 'nothing compared'
  if (judged.includes('incomplete') || expected.some((one) => one?.met === false)) return 'incomplete'
  return run.state === 'done' || run.state === 'comparing' ? 'identical' : 'incomplete'
}

/** 1 if anything differs, 3 if something is missing or nothing was compared, else 0. An error of use or of the system is 2. */
export function exitCodeOfVerdict(verdict: Verdict): 0 | 1 | 3 {
  if (verdict === 'divergent' || verdict === 'nondeterministic') return 1
  return verdict === 'identical' ? 0 : 3
}

/** Whether something is missing in a row: a cell did not complete, or is absent and the plan does not allow it. */
export function hasGaps(comparison: Comparison, run: ReportCore['run']): boolean {
  if (comparison.incomplete.length > 0) return true
  return comparison.absent.length > 0 && ruleOf(run, comparison).absent !== 'allow'
}
