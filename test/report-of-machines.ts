import { compareRun } from '../coordinator/compare/compare-run.ts'
import type { RunData } from '../coordinator/records.ts'
import { assembleReport } from '../coordinator/report/assemble.ts'
import type { Report } from '../coordinator/report/format.ts'
import { createSyntheticRun, f32, type SyntheticCell, syntheticAgent } from './synthetic-run.ts'

/** A cell by its machine's name and what its executions computed. */
export interface PlannedCell extends Partial<Omit<SyntheticCell, 'agent' | 'executions'>> {
  readonly on: string
  /** One value for each execution; null if the machine lacks the kernel. */
  readonly gave: readonly number[] | null
  /** What it was given, if that is recorded. */
  readonly input?: number
}

/** Values of five executions. */
export function five(value: number): number[] {
  return new Array<number>(5).fill(value)
}

/** The report of cells of the workload `w` under `js`, but for what they say; compared and assembled as in a run. */
export async function reportOfMachines(
  cells: readonly PlannedCell[],
  run: Partial<RunData['run']> = {},
): Promise<Report> {
  const names = [...new Set(cells.map(({ on }) => on))]
  // Ids go against the order of names, since a report goes by names.
  const agents = names.map((name, i) => syntheticAgent(`k${String(names.length - i).padStart(4, '0')}`, {}, name))
  const idOf = new Map(agents.map(({ id, name }) => [name, id]))
  const synthetic = createSyntheticRun(agents, run)
  for (const { on, gave, input, ...cell } of cells) {
    const lacks = { outcome: { status: 'unsupported' as const, reason: 'js has no such kernel' } }
    const given = input === undefined ? [] : [{ step: 0, name: 'data', tensor: f32([input], [1]) }]
    const executions = gave?.map((value) => ({
      checkpoints: [...given, { step: given.length, name: 'y', tensor: f32([value], []), output: true }],
    }))
    synthetic.add({
      workload: 'w',
      backend: 'js',
      ...cell,
      agent: idOf.get(on),
      executions: executions ?? [lacks, lacks],
    })
  }
  return assembleReport(synthetic.data(), await compareRun(synthetic.data(), synthetic.artifacts), 'bitfleet 0')
}
