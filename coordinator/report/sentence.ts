import { canonicalJson } from '../../shared/canonical-json.ts'
import type { CellOutcome } from '../compare/cells.ts'
import type { Comparison, ReportCell } from './format.ts'
import { testedSettings } from './planned-changes.ts'
import { listed } from './wording.ts'

const namedAtMost = 4
/** Commas stand between workloads. */
const settingsAtMost = 2

/**
 * The verdict in one sentence: "9 of 12 workloads identical over 24 conditions on 1 machine; 3 part: reduce.sum by
 * js.order, …; 1 disagrees with itself". A workload with its parameters and seed counts as one.
 */
export function verdictSentence(
  outcomes: readonly CellOutcome[],
  comparisons: readonly Comparison[],
  reported: readonly ReportCell[],
): string {
  if (comparisons.length === 0) return 'Nothing was compared: the plan has no cells'
  const conditions = new Set(outcomes.map(({ cell }) => canonicalJson(cell.condition))).size
  const agents = new Set(outcomes.map(({ cell }) => cell.agent)).size
  // Several agents may share a machine; one cannot be on two.
  const where = `over ${count(conditions, 'condition')} on ${agents === 1 ? '1 machine' : `${agents} agents`}`
  const having = (holds: (comparison: Comparison) => boolean) => comparisons.filter(holds)

  // A workload that no condition supports has nothing that could differ: no claim of equality is made of it.
  const nowhere = having(({ verdict, classes }) => verdict === 'identical' && classes.length === 0)
  // One cell is equal to itself and to nothing else.
  const alone = having(
    ({ verdict, classes }) => verdict === 'identical' && classes.length === 1 && classes[0]?.cells.length === 1,
  )
  const identical = having(({ verdict }) => verdict === 'identical').length - nowhere.length - alone.length
  const total = comparisons.length
  const head =
    identical === total && total > 1
      ? `All ${total} workloads identical ${where}`
      : total === 1
        ? `1 workload ${identical === 1 ? 'identical ' : ''}${where}`
        : `${identical} of ${total} workloads identical ${where}`

  const cells = new Map(reported.map((cell) => [cell.id, cell]))
  const inputs = having(({ inputsEqual }) => !inputsEqual)
  const part = having(({ classes, inputsEqual }) => classes.length > 1 && inputsEqual)
  const unstable = having(({ nondeterministic }) => nondeterministic.length > 0)
  const incomplete = having((comparison) => comparison.incomplete.length > 0)
  const clauses = [
    clause(part, ['parts', 'part'], (comparison) => partedBy(comparison, cells)),
    clause(inputs, ['computed on different inputs', 'computed on different inputs'], ({ workload }) => workload),
    clause(unstable, ['disagrees with itself', 'disagree with themselves'], ({ workload }) => workload),
    clause(alone, ['ran in one cell alone', 'ran in one cell alone'], ({ workload }) => workload),
    clause(nowhere, ['is supported nowhere', 'are supported nowhere'], ({ workload }) => workload),
    clause(incomplete, ['is incomplete', 'are incomplete'], ({ workload }) => workload),
  ]
  return [head, ...clauses.filter((text) => text !== '')].join('; ')
}

function clause(
  comparisons: readonly Comparison[],
  [one, many]: readonly [string, string],
  describe: (comparison: Comparison) => string,
): string {
  if (comparisons.length === 0) return ''
  const names = [...new Set(comparisons.map(describe))]
  const named = names.slice(0, namedAtMost).join(', ')
  const more = names.length > namedAtMost ? `, and ${names.length - namedAtMost} more` : ''
  return `${comparisons.length} ${comparisons.length === 1 ? one : many}: ${named}${more}`
}

/**
 * With the settings that the plan itself changed alone and the bits followed; `among others` where they leave some of
 * the differences open. Without such a test, with the set of facts that goes along with the classes, where it has no
 * rival and chance rarely does as well.
 */
function partedBy(comparison: Comparison, cells: ReadonlyMap<string, ReportCell>): string {
  const { workload, explanations } = comparison
  const { settings, all } = testedSettings(comparison, cells)
  if (settings.length > 0) return `${workload} by ${settingsText(settings)}${all ? '' : ' among others'}`
  const [first] = explanations
  const telling = first && first.rivals === 0 && first.chance !== null && first.chance <= 0.05
  return telling ? `${workload} by ${listed(first.facts)}` : workload
}

/** Knobs of several versions by the name they share, and no more of them than can be read. */
function settingsText(settings: readonly string[]): string {
  const names = [...new Set(settings.map((setting) => setting.replace(/@.*(?=\.[^.]+$)/, '')))]
  return names.length > settingsAtMost ? `${names[0]} and ${names.length - 1} more settings` : listed(names)
}

function count(n: number, noun: string): string {
  return `${n} ${n === 1 ? noun : `${noun}s`}`
}
