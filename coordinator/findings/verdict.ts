import { verdictBetweenCells } from '../compare/row-verdict.ts'
import { ruleOf } from '../plan/row-rules.ts'
import type { Expectation } from '../records.ts'
import type { Comparison, ReportCore, Verdict } from '../report/format.ts'
import type { Silence } from './silence.ts'

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
 * Classes with a cell that may serve as evidence. The others show no more than that their conditions differ from run to
 * run: a cell that did not in few executions may be lucky.
 */
export function evidentClasses({ classes }: Comparison, silence: Silence): Comparison['classes'] {
  return classes.filter(({ cells }) => cells.some((id) => silence.reason(id) === undefined))
}

/** Whether the row is to differ from run to run, and does. */
export function isAsExpected(expected: Expected | undefined): boolean {
  return expected?.expect === 'nondeterministic' && expected.met
}

/**
 * The verdict of a run: that of its rows, the first that holds. If a row is to differ from run to run, it speaks only of
 * its other cells, those whose conditions agree with themselves. If no cell had another to be compared with, nothing was
 * compared. An expectation that was not met makes the run incomplete: more executions may show it.
 */
export function runVerdict({ comparisons, run }: Pick<ReportCore, 'comparisons' | 'run'>, silence: Silence): Verdict {
  const expected = comparisons.map((comparison) => expectedOf(comparison, run))
  const judged = new Set(comparisons.map((comparison, i) => judgeRow(comparison, run, expected[i], silence)))
  if (judged.has('nondeterministic')) return 'nondeterministic'
  if (judged.has('divergent')) return 'divergent'
  if (!comparisons.some(({ compared }) => compared.length > 1)) return 'nothing compared'
  if (judged.has('incomplete') || expected.some((one) => one?.met === false)) return 'incomplete'
  return isOver(run) ? 'identical' : 'incomplete'
}

function judgeRow(row: Comparison, run: ReportCore['run'], expected: Expected | undefined, silence: Silence): Verdict {
  if (expected?.expect !== 'nondeterministic') return row.verdict
  const evident = { ...row, classes: evidentClasses(row, silence) }
  return verdictBetweenCells(evident, ruleOf(run, row).absent === 'allow')
}

/** Whether all that the run could give is there; `comparing` is what a run is while its report is made. */
export function isOver({ state }: ReportCore['run']): boolean {
  return state === 'done' || state === 'comparing'
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
