import { groupBy } from '../../shared/group-by.ts'
import type { Silence } from './silence.ts'
import { type TrialCell } from './trial-cell.ts'
import { libraryOf, settingsOf } from './trial-groups.ts'
import { trialOf } from './trials.ts'

/**
 * Whether some settings account for every difference of a row: two cells with equal values of these settings have equal
 * traces, and each trace is reached from every other by trials of these settings. So a difference between machines, or
 * one that needs two changes at once, stays open. Silenced cells have no one result and take no part.
 *
 * @param cells of one workload, parameters and seed
 * @param names of settings
 */
export function accountsForAll(cells: readonly TrialCell[], names: ReadonlySet<string>, silence: Silence): boolean {
  const usable = cells.filter(({ id, traces }) => traces.length > 0 && silence.reason(id) === undefined)
  const traces = [...new Set(usable.map(traceOf))]
  const settings = settingsOf(usable).filter(({ name }) => names.has(name))
  const parent = new Map(traces.map((trace) => [trace, trace]))
  const rootOf = (trace: string): string => {
    let root = trace
    for (let next = parent.get(root); next !== undefined && next !== root; next = parent.get(root)) root = next
    return root
  }
  for (const { groups, levelOf } of settings) {
    for (const group of groups.filter((own) => trialOf(own, levelOf, silence)?.bits === 'followed')) {
      const [first, ...others] = group.map(traceOf)
      for (const other of others) parent.set(rootOf(other), rootOf(first as string))
    }
  }
  const valuesOf = (cell: TrialCell) =>
    settings.map(({ library, levelOf }) =>
      library === undefined || library === libraryOf(cell) ? levelOf(cell).key : null,
    )
  const alike = groupBy(usable, (cell) => JSON.stringify(valuesOf(cell)))
  const decided = [...alike.values()].every((own) => new Set(own.map(traceOf)).size === 1)
  return decided && new Set(traces.map(rootOf)).size <= 1
}

function traceOf({ traces }: TrialCell): string {
  return traces[0] as string
}
