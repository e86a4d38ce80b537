import { groupBy } from '../../shared/group-by.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Comparison, Report, ReportCell } from './format.ts'
import { agentNames, byNaturalName, conditionText, listed, plural } from './wording.ts'

/** What one workload did under one condition on one agent. */
export interface Mark {
  readonly cell: ReportCell
  /** The class's letter, or the sign of a cell that has none; followed by `!` where some repetitions did not complete. */
  readonly text: string
  /** Place of the class in its comparison, for colour; undefined for a sign. */
  readonly class?: number
  /** Its class holds the correctly rounded result. */
  readonly rounded?: true
}

export const signs = {
  '~': 'nondeterministic: it disagreed with itself',
  '–': 'inapplicable: that backend cannot compute this',
  '∅': 'absent: something is not there on that machine',
  '✕': 'not completed: crashed, timed out, failed, cancelled or missing',
  '!': 'some of its executions did not complete',
} as const

export interface Column {
  readonly agent: string
  readonly condition: ReportCell['condition']
}

export interface Row {
  readonly comparison: Comparison
  /** Place in `report.comparisons`. */
  readonly index: number
  /** One for each column; undefined where the plan has no such cell. */
  readonly marks: readonly (Mark | undefined)[]
}

export interface Matrix {
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
}

/** What columns are grouped by: a condition with its machines side by side, or a machine with its conditions. */
export type ColumnOrder = 'condition' | 'machine'

/**
 * Workloads × conditions. Machines go by name, conditions by backend and then by where the plan first names them; so two
 * runs of one plan have the same columns.
 */
export function buildMatrix(report: Report, order: ColumnOrder = 'condition'): Matrix {
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const agentOrder = agentsByName(report)
  const backendOrder = new Map<string, number>()
  for (const { condition } of report.cells) {
    if (!backendOrder.has(condition.backend)) backendOrder.set(condition.backend, backendOrder.size)
  }
  const conditionOrder = new Map<string, number>()
  const columns = new Map<string, Column>()
  for (const cell of report.cells) {
    const { backend, knobs } = cell.condition
    const condition = canonicalJson([backend, knobs])
    if (!conditionOrder.has(condition)) conditionOrder.set(condition, conditionOrder.size)
    const key = columnKey(cell)
    if (!columns.has(key)) columns.set(key, { agent: cell.agent, condition: cell.condition })
  }
  const rank = ({ agent, condition: { backend, knobs, device } }: Column): (number | string)[] => {
    const machine = [agentOrder.get(agent) ?? 0, device]
    const condition = [backendOrder.get(backend) ?? 0, conditionOrder.get(canonicalJson([backend, knobs])) ?? 0]
    return order === 'machine' ? [...machine, ...condition] : [...condition, ...machine]
  }
  const ordered = [...columns]
    .map(([key, column]) => ({ key, column, rank: rank(column) }))
    .sort((a, b) => compareRanks(a.rank, b.rank))
  const place = new Map(ordered.map(({ key }, i) => [key, i]))

  const rows = report.comparisons.map((comparison, index) => {
    const marks: (Mark | undefined)[] = new Array(ordered.length)
    const rounded = comparison.classes.findIndex(({ letter }) => letter === comparison.reference?.class)
    const put = (id: string, text: string, classIndex?: number) => {
      const cell = cells.get(id)
      const at = cell && place.get(columnKey(cell))
      if (cell && at !== undefined)
        marks[at] = {
          cell,
          text,
          ...(classIndex === undefined ? {} : { class: classIndex }),
          ...(classIndex !== undefined && classIndex === rounded ? { rounded: true } : {}),
        }
    }
    comparison.classes.forEach(({ letter, cells: members }, i) => members.forEach((id) => put(id, letter, i)))
    comparison.nondeterministic.forEach(({ cell }) => put(cell, '~'))
    comparison.inapplicable.forEach((id) => put(id, '–'))
    comparison.absent.forEach((id) => put(id, '∅'))
    const placed = new Map(marks.flatMap((mark) => (mark ? [[mark.cell.id, mark] as const] : [])))
    comparison.incomplete.forEach((id) => {
      const mark = placed.get(id)
      put(id, mark ? `${mark.text}!` : '✕', mark?.class)
    })
    return { comparison, index, marks }
  })
  return { columns: ordered.map(({ column }) => column), rows }
}

function compareRanks(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  const at = a.findIndex((part, i) => part !== b[i])
  if (at === -1) return 0
  return (a[at] as number | string) < (b[at] as number | string) ? -1 : 1
}

/** Places of agents by name: a reader looks for names, not for keys. */
function agentsByName(report: Report): Map<string, number> {
  const names = agentNames(report)
  const sorted = report.agents.toSorted(
    (a, b) => byNaturalName(names.get(a.id) ?? '', names.get(b.id) ?? '') || (a.id < b.id ? -1 : 1),
  )
  return new Map(sorted.map(({ id }, i) => [id, i]))
}

function columnKey({ agent, condition: { backend, device, knobs } }: ReportCell): string {
  return canonicalJson([agent, backend, device, knobs])
}

/** Signs that a table uses, with their meanings. */
export function usedSigns(rows: readonly { readonly marks: Row['marks'] }[]): [string, string][] {
  const used = new Set(rows.flatMap(({ marks }) => marks.flatMap((mark) => (mark ? Array.from(mark.text) : []))))
  return Object.entries(signs).filter(([sign]) => used.has(sign))
}

/** Whether some row has a class that holds the correctly rounded result. */
export function hasRounded(rows: readonly { readonly marks: Row['marks'] }[]): boolean {
  return rows.some(({ marks }) => marks.some((mark) => mark?.rounded))
}

/** Rows that read the same in every column, folded together; only identical ones are, the others need their names. */
export interface Fold {
  readonly rows: readonly Row[]
  readonly marks: readonly (Mark | undefined)[]
}

/** Rows with a difference stand alone and first, in the plan's order; identical ones are folded by what they read. */
export function foldRows(rows: readonly Row[]): Fold[] {
  const folds = new Map<string, Row[]>()
  for (const row of rows) {
    const key =
      row.comparison.verdict === 'identical' ? row.marks.map((mark) => mark?.text ?? '').join(' ') : `#${row.index}`
    const alike = folds.get(key)
    if (alike) alike.push(row)
    else folds.set(key, [row])
  }
  return [...folds.values()]
    .map((group) => ({ rows: group, marks: (group[0] as Row).marks }))
    .sort((a, b) => Number(isIdentical(a)) - Number(isIdentical(b)))
}

export function isIdentical(fold: Fold): boolean {
  return (fold.rows[0] as Row).comparison.verdict === 'identical'
}

/** Consecutive equal items as runs: `[item, start, length]`. */
export function runsOf<T>(items: readonly T[], same: (a: T, b: T) => boolean = Object.is): [T, number, number][] {
  const runs: [T, number, number][] = []
  items.forEach((item, i) => {
    const last = runs.at(-1)
    if (last && same(last[0], item)) last[2]++
    else runs.push([item, i, 1])
  })
  return runs
}

/** Cells of one condition, wherever they ran. */
export interface Members {
  readonly condition: string
  readonly agents: readonly string[]
}

/** A class's cells by condition, in the order given. */
export function membersByCondition(ids: readonly string[], cells: ReadonlyMap<string, ReportCell>): Members[] {
  const groups = new Map<string, string[]>()
  for (const id of ids) {
    const cell = cells.get(id)
    if (!cell) continue
    const condition = conditionText(cell.condition)
    const agents = groups.get(condition)
    if (agents) agents.push(cell.agent)
    else groups.set(condition, [cell.agent])
  }
  return [...groups].map(([condition, agents]) => ({ condition, agents }))
}

const agentsNamed = 3

/**
 * A condition of a class, and the machines that are in the class with it: another class can have the same condition.
 *
 * @param names of agents, where the run has several
 */
export function memberText({ condition, agents }: Members, names: ReadonlyMap<string, string>): string {
  if (names.size < 2) return condition
  if (agents.length > agentsNamed) return `${condition} on ${plural(agents.length, 'machine')}`
  return `${condition} on ${listed(agents.map((id) => names.get(id) ?? id))}`
}

/**
 * The same for the classes of a row, but a backend whose conditions are all in one class stands once, as
 * `tensorflow@2.21.0 (all its 2 conditions)`.
 */
export function membersInShort(
  { classes, nondeterministic, incomplete, absent }: Comparison,
  cells: ReadonlyMap<string, ReportCell>,
): (ids: readonly string[]) => Members[] {
  const byBackend = (ids: readonly string[]) =>
    groupBy(
      ids.filter((id) => cells.has(id)),
      (id) => (cells.get(id) as ReportCell).condition.backend,
    )
  const elsewhere = [...nondeterministic.map(({ cell }) => cell), ...incomplete, ...absent]
  const everywhere = byBackend([...new Set([...classes.flatMap((one) => one.cells), ...elsewhere])])
  return (ids) =>
    [...byBackend(ids)].flatMap(([backend, own]) => {
      const members = membersByCondition(own, cells)
      if (members.length === 1 || own.length < (everywhere.get(backend)?.length ?? 0)) return members
      const agents = [...new Set(members.flatMap((one) => one.agents))]
      return [{ condition: `${backend} (all its ${members.length} conditions)`, agents }]
    })
}
