import type { CauseFinding, Comparison, Counts, ReportCore, RowFinding, SettingFinding } from '../report/format.ts'
import { grouped, listed, paramsText, plural } from '../report/wording.ts'
import type { Silence } from './silence.ts'
import { conditionKey } from './counts.ts'
import { hasGaps } from './verdict.ts'

const namedAtMost = 4
/** Commas stand between workloads. */
const settingsAtMost = 2

interface Claims {
  readonly counts: Counts
  readonly rows: readonly RowFinding[]
  readonly settings: readonly SettingFinding[]
  readonly causes: readonly CauseFinding[]
  /** Rows all of whose differences the claimed settings account for. */
  readonly accounted: ReadonlySet<number>
  readonly silence: Silence
}

/**
 * The verdict in one sentence: "9 of 12 workloads are identical over 24 conditions on 1 machine; 3 differ: reduce.sum by
 * js.order, …". It counts what was compared. A workload with its parameters and seed counts as one.
 */
export function verdictSentence(core: ReportCore, claims: Claims): string {
  const { rows, counts } = claims
  if (rows.length === 0) return 'Nothing was compared: the plan has no cells'
  const at = (i: number) => core.comparisons[i] as Comparison
  const having = (holds: (comparison: Comparison, row: RowFinding) => boolean) =>
    rows.flatMap((row, i) => (holds(at(i), row) ? [i] : []))
  const name = shortNames(core.comparisons)
  // Classes of cells that are no evidence show no more than that the row differs from run to run.
  const evident = ({ classes, nondeterministic }: Comparison) =>
    nondeterministic.length === 0 ||
    classes.filter((one) => one.cells.some((id) => claims.silence.reason(id) === undefined)).length > 1
  const differ = having((row) => row.classes.length > 1 && row.inputsEqual !== false && evident(row))
  const inputs = having(({ classes, inputsEqual }) => classes.length > 1 && inputsEqual === false)
  const expected = having(({ nondeterministic }, row) => nondeterministic.length > 0 && asExpected(row))
  const unstable = having(({ nondeterministic }, row) => nondeterministic.length > 0 && !asExpected(row))
  const incomplete = having((comparison) => hasGaps(comparison, core.run))
  const alone = having(
    ({ compared, nondeterministic }, { comparison }) =>
      compared.length < 2 && nondeterministic.length === 0 && !incomplete.includes(comparison),
  )
  const clauses = [
    clause(differ, ['differs', 'differ'], (i) => differsBy(i, name(i), claims)),
    clause(inputs, ['computed on different inputs', 'computed on different inputs'], name),
    clause(unstable, ['differs from run to run', 'differ from run to run'], name),
    clause(expected, ['differs from run to run as expected', 'differ from run to run as expected'], name),
    clause(incomplete, ['is incomplete', 'are incomplete'], name),
    clause(alone, ['was not compared', 'were not compared'], (i) => `${name(i)} (${aloneText(at(i))})`),
  ]
  const equalSoFar = having(
    ({ compared, classes, nondeterministic, verdict }) =>
      verdict === 'incomplete' && compared.length > 1 && classes.length === 1 && nondeterministic.length === 0,
  )
  return [headOf(counts, equalSoFar.length, areUniform(core, counts)), ...clauses.filter((text) => text !== '')].join(
    '; ',
  )
}

/** A workload by its id, and by the parameters that tell it from others of that id. */
function shortNames(comparisons: readonly Comparison[]): (index: number) => string {
  const byId = new Map<string, Comparison[]>()
  for (const comparison of comparisons) {
    byId.set(comparison.workload, [...(byId.get(comparison.workload) ?? []), comparison])
  }
  const telling = new Map(
    [...byId].map(([id, alike]) => {
      const keys = [...new Set(alike.flatMap(({ params }) => Object.keys(params)))]
      const values = (key: string) => new Set(alike.map(({ params }) => JSON.stringify(params[key]) ?? ''))
      return [id, keys.filter((key) => values(key).size > 1)] as const
    }),
  )
  return (index) => {
    const { workload, params } = comparisons[index] as Comparison
    const own = Object.entries(params).filter(([key]) => telling.get(workload)?.includes(key))
    return own.length === 0 ? workload : `${workload} ${paramsText(Object.fromEntries(own))}`
  }
}

/** Whether every row was compared under all conditions: else no row is identical over all of them. */
function areUniform({ comparisons, cells }: ReportCore, { conditions }: Counts): boolean {
  const keys = new Map(cells.map((cell) => [cell.id, conditionKey(cell)]))
  return comparisons.every(
    ({ compared }) => compared.length === 0 || new Set(compared.map((id) => keys.get(id))).size === conditions,
  )
}

/**
 * @param equalSoFar rows that are incomplete, and equal in what was compared
 * @param uniform    every row was compared under all conditions
 */
function headOf({ rows, conditions, machines }: Counts, equalSoFar: number, uniform: boolean): string {
  if (rows.compared === 0) return 'Nothing was compared with another cell'
  const on = `on ${plural(machines, 'machine')}`
  const over = uniform ? `over ${plural(conditions, 'condition')}` : undefined
  const each = (count: number) => over ?? `under all ${count === 1 ? 'its' : 'their'} conditions`
  const ofAll = over === undefined ? ` (${plural(conditions, 'condition')} in all)` : ''
  const noun = rows.total > rows.compared ? 'compared workload' : 'workload'
  if (rows.identical === rows.compared) {
    return rows.compared === 1
      ? `1 ${noun} is identical ${each(1)} ${on}${ofAll}`
      : `All ${grouped(rows.compared)} ${noun}s are identical ${each(2)} ${on}${ofAll}`
  }
  if (equalSoFar === rows.compared)
    return `What was compared of ${plural(rows.compared, noun)} is equal ${each(rows.compared)} ${on}${ofAll}`
  if (rows.identical === 0) {
    return rows.compared === 1
      ? `1 ${noun} is not identical ${each(1)} ${on}${ofAll}`
      : `None of ${grouped(rows.compared)} ${noun}s is identical ${each(1)} ${on}${ofAll}`
  }
  const verb = rows.identical === 1 ? 'is' : 'are'
  return `${grouped(rows.identical)} of ${plural(rows.compared, noun)} ${verb} identical ${each(rows.identical)} ${on}${ofAll}`
}

function asExpected({ expected }: RowFinding): boolean {
  return expected?.expect === 'nondeterministic' && expected.met
}

function aloneText({ classes, absent, inapplicable }: Comparison): string {
  if (classes.length > 0) return '1 cell'
  if (absent.length > 0) return 'absent'
  return inapplicable.length > 0 ? 'inapplicable' : 'no cell'
}

function clause(
  indices: readonly number[],
  [one, many]: readonly [string, string],
  describe: (index: number) => string,
): string {
  if (indices.length === 0) return ''
  const counts = new Map<string, number>()
  for (const index of indices) counts.set(describe(index), (counts.get(describe(index)) ?? 0) + 1)
  const names = [...counts].map(([name, count]) => (count === 1 ? name : ofSeeds(name, count)))
  const named = names.slice(0, namedAtMost).join(', ')
  const more = names.length > namedAtMost ? `, and ${names.length - namedAtMost} more` : ''
  return `${grouped(indices.length)} ${indices.length === 1 ? one : many}: ${named}${more}`
}

function ofSeeds(name: string, count: number): string {
  const noted = / \(([^()]*)\)$/.exec(name)
  return noted === null ? `${name} (${count} seeds)` : `${name.slice(0, noted.index)} (${noted[1]}, ${count} seeds)`
}

/**
 * Named by the settings that the plan changed alone and the bits followed; "among others" if they leave differences
 * open. Too few executions read "seen with", not "by". Without a setting, by the facts that are headlined.
 */
function differsBy(index: number, workload: string, { settings, causes, accounted }: Claims): string {
  const own = settings.filter(({ rows, outcome }) => outcome === 'followed' && rows.includes(index))
  const claimed = own.filter(({ strength }) => strength === 'claimed').map(({ setting }) => setting)
  if (claimed.length > 0) return `${workload} by ${settingsText(claimed)}${accounted.has(index) ? '' : ' among others'}`
  if (own.length > 0) return `${workload} (seen with ${settingsText(own.map(({ setting }) => setting))})`
  const cause = causes.find(({ rows, headlined }) => headlined && rows.includes(index))
  return cause === undefined ? workload : `${workload} by ${causeText(cause)}`
}

/** With the facts that explain the bits as well: a headline names none of several candidates before the others. */
function causeText({ facts, rivals = [] }: CauseFinding): string {
  const [alone, ...more] = facts
  if (more.length === 0) return [...(alone ?? []), ...rivals].join(' or ')
  return `${listed(facts.map((names) => names.join(' or ')))}${rivals.length === 0 ? '' : ' or other facts'}`
}

/** Knobs of several versions by the name they share, and no more of them than can be read. */
function settingsText(settings: readonly string[]): string {
  const names = [...new Set(settings.map((setting) => setting.replace(/@.*(?=\.[^.]+$)/, '')))]
  // The reference's own settings are known to change bits: they are no news.
  const sorted = names.toSorted((a, b) => Number(a.startsWith('js.')) - Number(b.startsWith('js.')))
  if (sorted.length <= settingsAtMost) return listed(sorted)
  return `${sorted[0]} and ${sorted.length - 1} more settings`
}
