import type { Outcome } from '../../shared/execution.ts'
import type { CellRecord, RunRecord } from '../records.ts'
import type { Store } from '../store/index.ts'
import type { RunCounts } from './run-events.ts'

export interface CellProgress {
  readonly cell: CellRecord
  /** One for each repetition. */
  readonly executions: readonly (Outcome['status'] | 'missing' | 'waiting' | 'running')[]
}

export interface RunProgress {
  readonly run: RunRecord
  readonly counts: RunCounts
  /** In the plan's order. */
  readonly cells: readonly CellProgress[]
}

/** Of a run that is not under way: whatever was not recorded is missing. @throws `not-found` */
export async function readProgress(store: Store, id: string): Promise<RunProgress> {
  const { run, cells } = await store.loadPlan(id)
  const statuses = new Map(
    cells.map((cell) => [
      cell.id,
      new Array<Outcome['status'] | 'missing'>(cell.repetitions).fill(
        run.state === 'cancelled' ? 'cancelled' : 'missing',
      ),
    ]),
  )
  for (const { cell, repetition, status } of await store.listExecutions(id)) {
    const list = statuses.get(cell)
    if (list && repetition < list.length) list[repetition] = status
  }
  const ended: Partial<Record<Outcome['status'] | 'missing', number>> = {}
  for (const status of [...statuses.values()].flat()) ended[status] = (ended[status] ?? 0) + 1
  const total = cells.reduce((sum, { repetitions }) => sum + repetitions, 0)
  return {
    run,
    counts: { total, waiting: 0, running: 0, ended },
    cells: cells.map((cell) => ({ cell, executions: statuses.get(cell.id) ?? [] })),
  }
}
