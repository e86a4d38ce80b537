import { groupBy } from '../../shared/group-by.ts'
import { backendName } from '../../shared/backend-description.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { CellRecord } from '../records.ts'

/** What is counted of a cell. `emulator`: what emulates its processor; left out if nothing does. */
export type CountedCell = Pick<CellRecord, 'agent' | 'workload' | 'params' | 'seed' | 'condition'> & {
  readonly emulator?: string
}

/**
 * T, the number of (setting, workload) pairs of a plan. A workload is an id with its parameters. Its settings are those
 * that two or more cells of one agent and seed give different values:
 *
 * - `backend`: the library,
 * - `NAME version` and `NAME processor`: which version of a library, and which emulated processor,
 * - `BACKEND.KNOB`: a knob; a cell that leaves it out has a value of its own there;
 *
 * and `machine`, if cells run on two or more agents or devices, or will be joined with those of others. The count goes by what the plan asks, so it does not
 * depend on results. It includes a setting that never changes alone: a T that is too large only asks for more executions.
 */
export function countTrialPairs(cells: readonly CountedCell[], joined = false): number {
  const rows = groupBy(cells, ({ workload, params }) => canonicalJson([workload, params]))
  return [...rows.values()].reduce((sum, row) => sum + countSettings(row, joined), 0)
}

function countSettings(row: readonly CountedCell[], joined: boolean): number {
  const settings = new Set<string>()
  for (const cells of groupBy(row, ({ agent, seed }) => canonicalJson([agent, seed])).values()) {
    const libraries = groupBy(cells, ({ condition }) => backendName(condition.backend))
    if (libraries.size > 1) settings.add('backend')
    for (const [name, ofLibrary] of libraries) {
      const versions = groupBy(ofLibrary, ({ condition }) => condition.backend)
      const processors = new Set(ofLibrary.map(({ emulator }) => emulator))
      if (versions.size > 1) settings.add(`${name} version`)
      if (processors.size > 1) settings.add(`${name} processor`)
      for (const [backend, ofVersion] of versions) {
        for (const knob of variedKnobs(ofVersion)) settings.add(`${backend}.${knob}`)
      }
    }
  }
  const machines = new Set(row.map(({ agent, condition }) => canonicalJson([agent, condition.device])))
  return settings.size + (joined || machines.size > 1 ? 1 : 0)
}

function variedKnobs(cells: readonly CountedCell[]): string[] {
  const values = groupBy(
    cells.flatMap(({ condition }) => Object.entries(condition.knobs)),
    ([name]) => name,
  )
  return [...values].flatMap(([name, entries]) =>
    entries.length < cells.length || new Set(entries.map(([, value]) => value)).size > 1 ? [name] : [],
  )
}
