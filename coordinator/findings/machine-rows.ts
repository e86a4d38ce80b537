import { groupBy } from '../../shared/group-by.ts'
import type { Comparison, ReportCell, ReportCore } from '../report/format.ts'
import { conditionKey } from './counts.ts'
import { type MachineName, machineOf } from './machine-names.ts'
import type { Silence } from './silence.ts'

/** One requested condition of a comparison, and the machines that completed it. */
export interface MachineCondition {
  readonly key: string
  /** How many machines completed it. */
  readonly ran: number
  /** Places of those whose cells may serve as evidence, ascending, each with its cell and its class. */
  readonly usable: ReadonlyMap<number, { readonly cell: ReportCell; readonly letter: string }>
}

/**
 * Machines of a comparison, and the conditions that just these completed: each has a cell in each condition. A comparison
 * has several such rows if machines completed different conditions. So no difference is lost because one more machine
 * lacks that condition, and processors and cards stand apart.
 */
export interface MachineRow {
  /** Place in `comparisons`. */
  readonly comparison: number
  /** Places in the list of machines, ascending: two or more. */
  readonly machines: readonly number[]
  /** By condition: a cell for each of `machines`. */
  readonly conditions: readonly { readonly key: string; readonly cells: readonly ReportCell[] }[]
  /** For each of `machines`, the vector of its classes over the conditions. */
  readonly vectors: readonly string[]
}

/** For each comparison, the conditions that two or more machines completed. */
export function machineConditions(
  core: ReportCore,
  machines: readonly MachineName[],
  silence: Silence,
): MachineCondition[][] {
  const place = new Map(machines.map(({ id }, i) => [id, i]))
  const cells = new Map(core.cells.map((cell) => [cell.id, cell]))
  return core.comparisons.map((comparison) => {
    const found = completedCells(comparison, cells).flatMap((one) => {
      const machine = place.get(machineOf(one.cell))
      return machine === undefined ? [] : [{ ...one, machine, key: conditionKey(one.cell) }]
    })
    return [...groupBy(found, ({ key }) => key)].flatMap(([key, own]): MachineCondition[] => {
      const usable = own
        .filter(({ cell, letter }) => letter !== undefined && silence.reason(cell.id) === undefined)
        .sort((a, b) => a.machine - b.machine)
        .map(({ machine, cell, letter = '' }) => [machine, { cell, letter }] as const)
      return own.length < 2 ? [] : [{ key, ran: own.length, usable: new Map(usable) }]
    })
  })
}

/** Cells with a completed execution; those that disagree with themselves have no letter. */
function completedCells(
  { classes, nondeterministic }: Comparison,
  cells: ReadonlyMap<string, ReportCell>,
): { cell: ReportCell; letter: string | undefined }[] {
  const ids = [
    ...classes.flatMap(({ letter, cells: own }) => own.map((id) => ({ id, letter }))),
    ...nondeterministic.map(({ cell }) => ({ id: cell, letter: undefined })),
  ]
  return ids.flatMap(({ id, letter }) => {
    const cell = cells.get(id)
    return cell === undefined ? [] : [{ cell, letter }]
  })
}

/** The rows in which machines are compared, for each comparison the one with the most machines first. */
export function machineRows(conditions: readonly (readonly MachineCondition[])[]): MachineRow[] {
  return conditions.flatMap((own, comparison) => {
    const shared = own.filter(({ usable }) => usable.size > 1)
    return [...groupBy(shared, ({ usable }) => [...usable.keys()].join(' ')).values()]
      .map((alike) => machineRow(comparison, alike))
      .sort((a, b) => b.machines.length - a.machines.length)
  })
}

/** @param conditions of the same machines */
function machineRow(comparison: number, conditions: readonly MachineCondition[]): MachineRow {
  const machines = [...(conditions[0]?.usable.keys() ?? [])]
  const found = conditions.map(({ key, usable }) => ({ key, own: [...usable.values()] }))
  return {
    comparison,
    machines,
    conditions: found.map(({ key, own }) => ({ key, cells: own.map(({ cell }) => cell) })),
    vectors: machines.map((_, i) => found.map(({ own }) => own[i]?.letter).join(' ')),
  }
}

/** The conditions under which the machines of a row do not all have the same bits. */
export function differingConditions({ conditions, vectors }: MachineRow): MachineRow['conditions'] {
  const letters = vectors.map((vector) => vector.split(' '))
  return conditions.filter((_, i) => new Set(letters.map((own) => own[i])).size > 1)
}
