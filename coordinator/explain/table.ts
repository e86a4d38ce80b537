import { groupBy } from '../../shared/group-by.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { isAttributeKey } from '../../shared/facts.ts'
import { explainMachines, type MachineExplanation, type MachineRow } from './explain-machines.ts'

/** A table of results that somebody else measured: a header, and one record for each run. */
export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** What the columns of a table are. All others are facts of the unit; an empty field is a fact that is not known. */
export interface TableColumns {
  /** What was computed: equal text stands for equal bits. */
  readonly outcome: readonly string[]
  /** What computed it, such as a machine. */
  readonly unit: string
  /** Tells several outcomes of one unit apart, such as inputs of a model. */
  readonly point?: string
  /** Tells runs apart that should agree. */
  readonly repetition?: string
  /** Runs are compared that agree in all of these. */
  readonly by?: readonly string[]
}

/** The units of one comparison, as in `import FILE --outcome … --json`. */
export interface TableGroup {
  readonly by: Readonly<Record<string, string>>
  readonly explained: MachineExplanation
  /** Units that disagreed with themselves at some point. They are in no class. */
  readonly nondeterministic: readonly string[]
}

/** @throws `usage` for a table without a header, with a column named twice, or with a row of another length */
export function parseTable(text: string): Table {
  const [columns, ...rows] = parseCsv(text)
  if (!columns) throw new BitfleetError('usage', 'the table is empty; its first line must name the columns')
  const twice = columns.find((name, i) => columns.indexOf(name) !== i)
  if (twice !== undefined) throw new BitfleetError('usage', `the table has two columns named "${twice}"`)
  rows.forEach((row, i) => {
    if (row.length !== columns.length) {
      throw new BitfleetError('usage', `row ${i + 1} of the table has ${row.length} fields, not ${columns.length}`)
    }
  })
  return { columns, rows }
}

/** RFC 4180: fields between commas, quoted if they have a comma, a quote or a line break. */
function parseCsv(text: string): string[][] {
  const records: string[][] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y
  const body = text.startsWith('\ufeff') ? text.slice(1) : text
  let record: string[] = []
  while (field.lastIndex < body.length || record.length > 0) {
    const at = field.lastIndex
    const found = field.exec(body)
    if (!found) throw new BitfleetError('usage', `the table has a quote out of place after character ${at}`)
    record.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '')
    if (found[3] === ',') continue
    // An empty line is not a record.
    if (record.length > 1 || record[0] !== '') records.push(record)
    record = []
  }
  return records
}

/** How many records have no outcome. */
export function countNotMeasured(table: Table, { outcome }: Pick<TableColumns, 'outcome'>): number {
  return table.rows.filter((row) => !isMeasured(table, outcome, row)).length
}

function isMeasured({ columns }: Table, outcome: readonly string[], row: readonly string[]): boolean {
  return outcome.every((name) => row[columns.indexOf(name)]?.trim() !== '')
}

/**
 * Compares the units of a table: classes by outcome, and why they differ. A unit's outcome is the vector over the points
 * that all units of its group have. A column that varies within a unit is not a fact of it, so it is left out.
 *
 * A record with an empty outcome was not measured, and is left out.
 *
 * @throws `usage` if the table lacks a column, or no record has an outcome
 */
export function explainTable(table: Table, columns: TableColumns): TableGroup[] {
  const { outcome, unit, point, repetition, by = [] } = columns
  const used = [...outcome, unit, ...by, ...[point, repetition].filter((name) => name !== undefined)]
  const missing = used.find((name) => !table.columns.includes(name))
  if (missing !== undefined) {
    throw new BitfleetError('usage', `the table has no column "${missing}"; it has ${table.columns.join(', ')}`)
  }
  const measured = table.rows.filter((row) => isMeasured(table, outcome, row))
  if (measured.length === 0) {
    const what = table.rows.length === 0 ? 'has a header and no records' : `has no record with ${outcome.join(' and ')}`
    throw new BitfleetError('usage', `the table ${what}; give a record with an outcome for each run`)
  }
  const place = (name: string) => table.columns.indexOf(name)
  const textOf = (row: readonly string[], names: readonly string[]) => JSON.stringify(names.map((n) => row[place(n)]))
  const facts = table.columns.filter((name) => !used.includes(name) && !isAttributeKey(name))

  const groups = [...groupBy(measured, (row) => textOf(row, by)).values()].map((rows) => {
    const units = groupBy(rows, (row) => row[place(unit)] ?? '')
    const steady = facts.filter((name) =>
      [...units.values()].every((own) => own.every((row) => row[place(name)] === own[0]?.[place(name)])),
    )
    const points = [...units].map(([id, own]) => ({
      id,
      first: own[0] as readonly string[],
      outcomes: new Map(
        [...groupBy(own, (row) => textOf(row, point === undefined ? [] : [point]))].map(([at, runs]) => [
          at,
          new Set(runs.map((row) => textOf(row, outcome))),
        ]),
      ),
    }))
    const nondeterministic = points.filter(({ outcomes }) => [...outcomes.values()].some(({ size }) => size > 1))
    const compared = points.filter((one) => !nondeterministic.includes(one))
    const common = [...(compared[0]?.outcomes.keys() ?? [])].filter((at) =>
      compared.every(({ outcomes }) => outcomes.has(at)),
    )
    const machines = compared.map(({ id, first, outcomes }) => ({
      id,
      outcome: JSON.stringify(common.map((at) => [...(outcomes.get(at) ?? [])])),
      facts: Object.fromEntries(
        steady.flatMap((name) => (first[place(name)] ? [[name, first[place(name)] ?? '']] : [])),
      ),
    }))
    const values = Object.fromEntries(by.map((name) => [name, rows[0]?.[place(name)] ?? '']))
    return { by: values, machines, nondeterministic: nondeterministic.map(({ id }) => id) }
  })
  const rows = groups.map(({ machines }, i): MachineRow => ({ row: String(i), machines }))
  const explained = explainMachines(rows)
  return groups.map((group, i) => ({
    by: group.by,
    explained: explained[i] as MachineExplanation,
    nondeterministic: group.nondeterministic,
  }))
}
