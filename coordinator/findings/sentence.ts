import { groupBy } from '../../shared/group-by.ts'
import type {
  CauseFinding,
  Comparison,
  Counts,
  ReportCore,
  RowFinding,
  SettingFinding,
  ReportCell,
} from '../report/format.ts'
import { grouped, listed, plural } from '../report/wording.ts'
import { conditionKey } from './counts.ts'
import { machineOf } from './machine-names.ts'
import { shortNames } from './short-names.ts'
import type { Silence } from './silence.ts'
import { evidentClasses, hasGaps, isAsExpected, isOver } from './verdict.ts'

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
  const kinds = sortRows(core, claims)
  const name = shortNames(core.comparisons)
  const by = differsBy(claims)
  const aloneAs = (i: number) => ` (${aloneText(core.comparisons[i] as Comparison)})`
  const nothing = () => ''
  const clauses = (
    [
      [kinds.differ, 'differs', 'differ', by],
      [kinds.inputs, 'computed on different inputs', 'computed on different inputs', nothing],
      [kinds.unstable, 'differs from run to run', 'differ from run to run', nothing],
      [kinds.silenced, `differs only ${underSuch}`, `differ only ${underSuch}`, nothing],
      [kinds.expected, 'differs from run to run as expected', 'differ from run to run as expected', nothing],
      [kinds.unmet, 'is not as expected', 'are not as expected', nothing],
      [kinds.incomplete, 'is incomplete', 'are incomplete', nothing],
      [kinds.alone, 'was not compared', 'were not compared', aloneAs],
    ] as const
  ).flatMap(([indices, one, many, note]) => {
    if (indices.length === 0) return []
    const named = namesText(
      indices.map((i) => ({ name: name(i), note: note(i), seed: core.comparisons[i]?.seed ?? '' })),
    )
    return [`${grouped(indices.length)} ${indices.length === 1 ? one : many}: ${named}`]
  })
  const over = isOver(core.run) ? [] : [runText(core.run.state)]
  return [headOf(counts, kinds, extentOf(core, counts)), ...clauses, ...over].join('; ')
}

const underSuch = 'under conditions that differ from run to run'

/** Places of rows by what is said of them. A row may be in several. */
interface RowKinds {
  readonly differ: readonly number[]
  readonly inputs: readonly number[]
  readonly unstable: readonly number[]
  /** No cell disagrees with itself, but all that differ have a condition that does so elsewhere. */
  readonly silenced: readonly number[]
  readonly expected: readonly number[]
  readonly unmet: readonly number[]
  readonly incomplete: readonly number[]
  readonly alone: readonly number[]
  /** Compared and incomplete, and equal in what was compared. */
  readonly equalSoFar: readonly number[]
  /** Compared, and nothing but what the plan expects. */
  readonly quiet: readonly number[]
}

function sortRows(core: ReportCore, { rows, silence }: Claims): RowKinds {
  const facts = core.comparisons.map((comparison, i) => {
    const expected = rows[i]?.expected
    const several = comparison.classes.length > 1
    return {
      comparison,
      several,
      unstable: comparison.nondeterministic.length > 0,
      evident: several && evidentClasses(comparison, silence).length > 1,
      inputs: comparison.inputsEqual === false,
      gaps: hasGaps(comparison, core.run),
      compared: comparison.compared.length > 1,
      expected: isAsExpected(expected),
      unmet: expected?.met === false,
    }
  })
  type Facts = (typeof facts)[number]
  const having = (holds: (row: Facts) => boolean) => facts.flatMap((row, i) => (holds(row) ? [i] : []))
  return {
    differ: having(({ evident, inputs }) => evident && !inputs),
    inputs: having(({ several, inputs }) => several && inputs),
    unstable: having(({ unstable, expected }) => unstable && !expected),
    silenced: having(({ several, evident, inputs, unstable }) => several && !evident && !inputs && !unstable),
    expected: having(({ expected }) => expected),
    unmet: having(({ unmet }) => unmet),
    incomplete: having(({ gaps }) => gaps),
    alone: having(({ comparison, unstable, gaps }) => comparison.compared.length < 2 && !unstable && !gaps),
    equalSoFar: having(({ compared, gaps, several, unstable }) => compared && gaps && !several && !unstable),
    quiet: having(({ compared, expected, evident, gaps }) => compared && expected && !evident && !gaps),
  }
}

/** How far a statement on some workloads reaches. */
type Extent = (count: number) => string

/**
 * "over 24 conditions on 3 machines" only if every row was compared under all conditions, and on all machines: else no
 * row is identical over all of them.
 */
function extentOf({ comparisons, cells }: ReportCore, { conditions, machines }: Counts): Extent {
  const byId = new Map(cells.map((cell) => [cell.id, cell]))
  const everyRowHas = (keyOf: (cell: ReportCell) => string, count: number) =>
    comparisons.every(({ compared }) => {
      const own = compared.flatMap((id) => byId.get(id) ?? [])
      return own.length === 0 || new Set(own.map(keyOf)).size === count
    })
  const [allConditions, allMachines] = [everyRowHas(conditionKey, conditions), everyRowHas(machineOf, machines)]
  const inAll = [
    ...(allConditions ? [] : [plural(conditions, 'condition')]),
    ...(allMachines ? [] : [plural(machines, 'machine')]),
  ]
  return (count) => {
    const [its, it] = count === 1 ? ['its', 'it'] : ['their', 'them']
    const over = allConditions ? `over ${plural(conditions, 'condition')}` : `under all ${its} conditions`
    const on = allMachines ? plural(machines, 'machine') : `the machines that completed ${it}`
    return `${over} on ${on}${inAll.length === 0 ? '' : ` (${listed(inAll)} in all)`}`
  }
}

function headOf({ rows }: Counts, { equalSoFar, quiet }: RowKinds, extent: Extent): string {
  const { compared, identical } = rows
  if (compared === 0) return 'Nothing was compared with another cell'
  const noun = rows.total > compared ? 'compared workload' : 'workload'
  const all = (said: string) =>
    compared === 1 ? `1 ${noun} is ${said} ${extent(1)}` : `All ${grouped(compared)} ${noun}s are ${said} ${extent(2)}`
  if (identical === compared) return all('identical')
  if (quiet.length === compared) return all('as expected')
  if (identical > 0) {
    const verb = identical === 1 ? 'is' : 'are'
    return `${grouped(identical)} of ${plural(compared, noun)} ${verb} identical ${extent(identical)}`
  }
  // What is only incomplete may be identical: then it is not said that none is.
  if (equalSoFar.length > 0) {
    const some = equalSoFar.length === compared ? '' : `${grouped(equalSoFar.length)} of `
    return `What was compared of ${some}${plural(compared, noun)} is equal ${extent(equalSoFar.length)}`
  }
  return compared === 1
    ? `1 ${noun} is not identical ${extent(1)}`
    : `None of ${grouped(compared)} ${noun}s is identical ${extent(1)}`
}

function runText(state: ReportCore['run']['state']): string {
  if (state === 'running') return 'the run is not over'
  return state === 'cancelled' ? 'the run was cancelled' : 'the run failed'
}

function aloneText({ classes, absent, inapplicable }: Comparison): string {
  if (classes.length > 0) return '1 cell'
  if (absent.length > 0) return 'absent'
  return inapplicable.length > 0 ? 'inapplicable' : 'no cell'
}

interface Named {
  readonly name: string
  /** What follows the name: how the row differs, or why it was not compared. */
  readonly note: string
  readonly seed: string
}

/** Rows of one name are told by how many there are, and by their seed if not the same is said of all of them. */
function namesText(rows: readonly Named[]): string {
  const noted = new Set(rows.map(({ name, note }) => JSON.stringify([name, note])))
  const notes = groupBy(noted, (key) => (JSON.parse(key) as [string])[0])
  const names = [...groupBy(rows, ({ name, note }) => JSON.stringify([name, note])).values()].map((own) => {
    const { name, note, seed } = own[0] as Named
    const seeds = new Set(own.map((row) => row.seed)).size
    if (own.length > 1) return name + withRemark(note, seeds === own.length ? `${seeds} seeds` : `${own.length} rows`)
    return name + ((notes.get(name)?.length ?? 0) > 1 ? withRemark(note, `seed ${seed}`) : note)
  })
  const more = names.length > namedAtMost ? `, and ${names.length - namedAtMost} more` : ''
  return `${names.slice(0, namedAtMost).join(', ')}${more}`
}

/** In the note's own brackets, if it has them. */
function withRemark(note: string, remark: string): string {
  return note.startsWith(' (') ? `${note.slice(0, -1)}, ${remark})` : `${note} (${remark})`
}

/**
 * Named by the settings that the plan changed alone and the bits followed in that row; "among others" if they leave
 * differences open. Too few executions read "seen with", not "by". Without a setting, by the facts that are headlined.
 */
function differsBy({ settings, causes, accounted }: Claims): (index: number) => string {
  const claimed = byRow(settings, ({ followedIn }) => followedIn.claimed)
  const seen = byRow(settings, ({ followedIn }) => followedIn.seen)
  const headlined = byRow(causes, ({ headlined: said, rows }) => (said ? rows : []))
  const text = (found: readonly SettingFinding[]) => settingsText(found.map(({ setting }) => setting))
  return (index) => {
    const [by, having, cause] = [claimed.get(index), seen.get(index), headlined.get(index)?.[0]]
    if (by) return ` by ${text(by)}${accounted.has(index) ? '' : ' among others'}`
    if (having) return ` (seen with ${text(having)})`
    return cause === undefined ? '' : ` by ${causeText(cause)}`
  }
}

/** With the facts that explain the bits as well: a headline names none of several candidates before the others. */
function causeText({ facts, rivals = [] }: CauseFinding): string {
  const [alone, ...more] = facts
  if (more.length === 0) return [...(alone ?? []), ...rivals].join(' or ')
  return `${listed(facts.map((names) => names.join(' or ')))}${rivals.length === 0 ? '' : ' or other facts'}`
}

function byRow<Finding>(
  findings: readonly Finding[],
  rowsOf: (finding: Finding) => readonly number[],
): Map<number, Finding[]> {
  const found = new Map<number, Finding[]>()
  for (const finding of findings) {
    for (const row of rowsOf(finding)) {
      const own = found.get(row)
      if (own) own.push(finding)
      else found.set(row, [finding])
    }
  }
  return found
}

/** Knobs of several versions by the name they share, and no more of them than can be read. */
function settingsText(settings: readonly string[]): string {
  const names = [...new Set(settings.map((setting) => setting.replace(/@.*(?=\.[^.]+$)/, '')))]
  // The reference's own settings are known to change bits: they are no news.
  const sorted = names.toSorted((a, b) => Number(a.startsWith('js.')) - Number(b.startsWith('js.')))
  if (sorted.length <= settingsAtMost) return listed(sorted)
  return `${sorted[0]} and ${sorted.length - 1} more settings`
}
