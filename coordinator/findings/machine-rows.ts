import type { Comparison, ReportCell, ReportCore } from '../report/format.ts'
import { conditionKey } from './counts.ts'
import { type MachineName, machineOf } from './machine-names.ts'
import type { Silence } from './silence.ts'

/** One row as machines see it: for each condition that all of them completed, each machine's cell and class. */
export interface MachineRow {
  /** Place in `comparisons`. */
  readonly comparison: number
  /** Places in the list of machines, ascending. */
  readonly machines: readonly number[]
  /** By condition: a cell for each of `machines`. */
  readonly conditions: readonly { readonly key: string; readonly cells: readonly ReportCell[] }[]
  /** For each of `machines`, the vector of its classes over the conditions. */
  readonly vectors: readonly string[]
}

/**
 * Rows in which two or more machines completed the same requested condition. A condition in which one of them disagreed
 * with itself is left out, since it has no one class there. If no condition was completed by all, the row is that of the
 * condition that most machines completed.
 */
export function machineRows(core: ReportCore, machines: readonly MachineName[], silence: Silence): MachineRow[] {
  const place = new Map(machines.map(({ id }, i) => [id, i]))
  const cells = new Map(core.cells.map((cell) => [cell.id, cell]))
  return core.comparisons.flatMap((comparison, index): MachineRow[] => {
    const found = completedByCondition(comparison, cells, place, silence)
    const shared = sharedConditions(found)
    if (shared.machines.length < 2) return []
    const vectors = shared.machines.map((machine) =>
      shared.keys.map((key) => found.get(key)?.get(machine)?.letter).join(' '),
    )
    const conditions = shared.keys.map((key) => ({
      key,
      cells: shared.machines.map((machine) => found.get(key)?.get(machine)?.cell as ReportCell),
    }))
    return [{ comparison: index, machines: shared.machines, conditions, vectors }]
  })
}

type Completed = Map<string, Map<number, { cell: ReportCell; letter: string }>>

function completedByCondition(
  { classes }: Comparison,
  cells: ReadonlyMap<string, ReportCell>,
  place: ReadonlyMap<string, number>,
  silence: Silence,
): Completed {
  const found: Completed = new Map()
  for (const { letter, cells: ids } of classes) {
    for (const id of ids) {
      const cell = cells.get(id)
      const machine = cell && place.get(machineOf(cell))
      if (cell === undefined || machine === undefined || silence.reason(id) !== undefined) continue
      const key = conditionKey(cell)
      const own = found.get(key) ?? new Map<number, { cell: ReportCell; letter: string }>()
      found.set(key, own.set(machine, { cell, letter }))
    }
  }
  return found
}

function sharedConditions(found: Completed): { machines: number[]; keys: string[] } {
  const several = [...found].filter(([, machines]) => machines.size > 1)
  const all = [...new Set(several.flatMap(([, machines]) => [...machines.keys()]))].sort((a, b) => a - b)
  const keys = several.filter(([, machines]) => machines.size === all.length).map(([key]) => key)
  if (keys.length > 0) return { machines: all, keys }
  const [most] = several.toSorted(([, a], [, b]) => b.size - a.size)
  return most === undefined
    ? { machines: [], keys: [] }
    : { machines: [...most[1].keys()].sort((a, b) => a - b), keys: [most[0]] }
}

/** The conditions under which the machines of a row do not all have the same bits. */
export function differingConditions({ conditions, vectors }: MachineRow): MachineRow['conditions'] {
  const letters = vectors.map((vector) => vector.split(' '))
  return conditions.filter((_, i) => new Set(letters.map((own) => own[i])).size > 1)
}
