import { compareRun } from '../coordinator/compare/compare-run.ts'
import type { RunData } from '../coordinator/records.ts'
import { assembleReport } from '../coordinator/report/assemble.ts'
import type { Report } from '../coordinator/report/format.ts'
import {
  createSyntheticRun,
  f32,
  type SyntheticCell,
  type SyntheticExecution,
  type SyntheticRun,
  syntheticAgent,
} from './synthetic-run.ts'

/** What one execution gives: a value, or none. */
export type Given = number | 'crashed' | 'unsupported'

/** A cell of workload `w` under `js` on agent `a`, but for what the sketch says. Knobs are in force. */
export type CellOfReport = Partial<Omit<SyntheticCell, 'executions'>> & { readonly gives: readonly Given[] }

export const repeated = <Value>(value: Value, count: number) => new Array<Value>(count).fill(value)

function executionOf(given: Given): SyntheticExecution {
  if (given === 'crashed') return { outcome: { status: 'crashed', signal: 'SIGSEGV', stderr: '' } }
  if (given === 'unsupported') return { outcome: { status: 'unsupported', reason: 'js has no kernel w' } }
  return { checkpoints: [{ step: 0, name: 'y', tensor: f32([given], []), output: true }] }
}

export function runOfCells(cells: readonly CellOfReport[], run: Partial<RunData['run']> = {}): SyntheticRun {
  const agents = [...new Set(['a', ...cells.flatMap(({ agent }) => agent ?? [])])]
  const made = createSyntheticRun(
    agents.map((id) => syntheticAgent(id)),
    run,
  )
  for (const { gives, ...cell } of cells) {
    const effective = Object.fromEntries(Object.entries(cell.knobs ?? {}).map(([name, value]) => [name, String(value)]))
    made.add({ workload: 'w', backend: 'js', effective, ...cell, executions: gives.map(executionOf) })
  }
  return made
}

/** The report of some cells, compared and assembled as in a run. */
export async function reportOfCells(
  cells: readonly CellOfReport[],
  run: Partial<RunData['run']> = {},
): Promise<Report> {
  const made = runOfCells(cells, run)
  return assembleReport(made.data(), await compareRun(made.data(), made.artifacts), 'bitfleet 0')
}
