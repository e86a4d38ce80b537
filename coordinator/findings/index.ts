import { otherOutcomesBelow } from '../compare/self.ts'
import type { Findings, ReportCore, RowFinding } from '../report/format.ts'
import { comparisonTitle, percent, plural } from '../report/wording.ts'
import { findCauses } from './causes.ts'
import { countCells } from './counts.ts'
import { executionsOf } from './executions.ts'
import { findKnobs } from './knobs.ts'
import { findMachines } from './machines.ts'
import { findNotices } from './notices.ts'
import { verdictSentence } from './sentence.ts'
import { findSettings } from './settings.ts'
import { findUnstable } from './unstable.ts'
import { findVariables } from './variables.ts'
import { exitCodeOfVerdict, expectedOf, runVerdict } from './verdict.ts'

export interface FindingsOptions {
  /** Bounds the work for the chance of a list of rules; no other claim depends on it. */
  readonly listSteps?: number
}

/**
 * All claims of a report. A pure function of what was computed and compared, so that anybody who has the report can make
 * them again: neither time nor the order of results matters.
 */
export function computeFindings(core: ReportCore, { listSteps }: FindingsOptions = {}): Findings {
  const counts = countCells(core)
  const rows = findRows(core)
  const { settings, accounted, accountedIfSeen, silence, rule, statements } = findSettings(core)
  const verdict = runVerdict(core, silence)
  const knobs = findKnobs(core, statements)
  const variables = findVariables(core)
  const machines = findMachines(core, silence, rule)
  const causes = findCauses(core, silence, accountedIfSeen, machines.rows, listSteps)
  return {
    sentence: verdictSentence(core, { counts, rows, settings, causes, accounted, silence }),
    verdict,
    exitCode: exitCodeOfVerdict(verdict),
    counts,
    rows,
    machines,
    settings,
    knobs,
    variables,
    causes,
    self: findUnstable(core, silence),
    agreement: findAgreement(core),
    notices: findNotices(core, rows, knobs, variables),
  }
}

function findRows(core: ReportCore): RowFinding[] {
  const seeds = new Set(core.comparisons.map(({ seed }) => seed))
  return core.comparisons.map((comparison, index) => {
    const title = comparisonTitle(comparison, seeds.size > 1)
    const expected = expectedOf(comparison, core.run)
    const compared = comparison.compared.length
    return {
      comparison: index,
      title,
      verdict: comparison.verdict,
      compared,
      expected: expected && { ...expected },
      text: `${title}: ${rowText(core, index)}${expectedText(expected)}`,
    }
  })
}

function rowText({ comparisons }: ReportCore, index: number): string {
  const { verdict, classes, compared, nondeterministic } = comparisons[index] as ReportCore['comparisons'][number]
  const cells = plural(compared.length, 'cell')
  switch (verdict) {
    case 'identical':
      return `identical in ${cells}`
    case 'divergent':
      return `${plural(classes.length, 'class', 'classes')} in ${cells}`
    case 'nondeterministic':
      return `${plural(nondeterministic.length, 'cell')} ${nondeterministic.length === 1 ? 'disagrees with itself' : 'disagree with themselves'}`
    case 'nothing compared':
      return 'nothing compared'
    default:
      return compared.length > 1 ? `incomplete; what completed is equal in ${cells}` : 'incomplete'
  }
}

function expectedText(expected: RowFinding['expected']): string {
  if (expected === undefined) return ''
  return `, ${expected.met ? '' : 'not '}as expected (${expected.expect})`
}

/** What agreement of cells shows: those that agreed with themselves, from the least executed to the most. */
function findAgreement({ comparisons, cells }: ReportCore): Findings['agreement'] {
  const inClass = new Set(comparisons.flatMap(({ classes }) => classes.flatMap((one) => one.cells)))
  const counts = cells.filter(({ id }) => inClass.has(id)).map(executionsOf)
  if (counts.length === 0) return null
  const least = counts.reduce((a, b) => Math.min(a, b), Infinity)
  const most = counts.reduce((a, b) => Math.max(a, b), 0)
  const again = counts.filter((count) => count > 1).reduce((a, b) => Math.min(a, b), Infinity)
  return { least, most, text: agreementText(least, again, most) }
}

/**
 * What agreement shows, and what it does not, of cells that ran at least `least` and at most `most` times.
 *
 * @param again the least number of executions of a cell that ran more than once
 */
function agreementText(least: number, again: number, most: number): string {
  const rarer = (executions: number) => percent(otherOutcomesBelow(executions) as number)
  if (most < 2) return 'Each cell ran once: this shows nothing about whether it agrees with itself.'
  const each = again === most ? `${most} of each` : `${again} to ${most} of each`
  const first =
    least < 2
      ? `Some cells ran once: this shows nothing about whether they agree with themselves. Of the others, all executions of a cell are equal: ${each}.`
      : `In each class, all executions of a cell are equal: ${each}.`
  const bound = `With 95 % confidence, all other outcomes of ${least < 2 ? 'such a cell' : 'a cell'} together are rarer than`
  return `${first} ${bound} ${rarer(again)}${again === most ? '' : `, and than ${rarer(most)} if it ran ${most} times`}.`
}
