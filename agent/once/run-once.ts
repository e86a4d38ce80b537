import { maxRecordBytes } from '../../shared/bundle.ts'
import { cellInputs, type CellRecord } from '../../shared/cell.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import type { Execution } from '../../shared/execution.ts'
import type { JobInput, PlannedJob } from '../../shared/messages.ts'
import { permutedRounds, type Turn } from '../../shared/rounds.ts'
import { bareExecution, type ExecutionContext, type ExecutionResult, runExecution } from '../daemon/execution.ts'
import type { BundleFolder } from './bundle-folder.ts'

export interface OncePlan {
  readonly planText: string
  readonly cells: readonly CellRecord[]
  readonly inputs: readonly JobInput[]
  readonly payloads: ReadonlyMap<Digest, Uint8Array>
}

export interface OnceProgress {
  readonly done: number
  readonly total: number
  readonly cell: CellRecord
  readonly execution: Execution
}

const maxAttempts = 5

/**
 * Makes every execution that a bundle's folder does not have yet, `slots` at a time, in permuted rounds, as a coordinator
 * gives them out. A cancelled execution is not recorded; the next call makes it.
 *
 * @returns whether all are there
 */
export async function runOnce(
  folder: BundleFolder,
  { planText, cells, inputs, payloads }: OncePlan,
  slots: number,
  context: ExecutionContext,
  stopping: AbortSignal,
  progress: (progress: OnceProgress) => void,
): Promise<boolean> {
  const all = roundsOf(planText, cells)
  const waiting = all.filter(({ cell, repetition }) => !folder.has(cell.id, repetition))
  let done = all.length - waiting.length

  const work = async () => {
    for (let next = waiting.shift(); next !== undefined && !stopping.aborted; next = waiting.shift()) {
      const { cell, repetition } = next
      let attempt = 1
      let result: ExecutionResult
      for (;;) {
        result = await runExecution(jobOf(cell, repetition, inputs), payloads, context, stopping)
        const { outcome } = result.execution
        // Killed from outside, as with a coordinator: it is made again.
        if (outcome.status !== 'crashed' || outcome.signal !== 'SIGKILL' || attempt >= maxAttempts) break
        attempt++
      }
      if (result.execution.outcome.status === 'cancelled') return
      const { execution, trace } = fitting(result, folder)
      await folder.record({ cell: cell.id, repetition, attempt, execution }, trace)
      progress({ done: ++done, total: all.length, cell, execution })
    }
  }
  await Promise.all(Array.from({ length: slots }, work))
  return done === all.length
}

/** A bundle has no run id: its plan and its agent name the order. */
function roundsOf(planText: string, cells: readonly CellRecord[]): Turn<CellRecord>[] {
  return permutedRounds(cells, digestOf(planText), cells[0]?.agent ?? '')
}

function jobOf(cell: CellRecord, repetition: number, inputs: readonly JobInput[]): PlannedJob {
  return {
    ...{ id: `once/${cell.id}/${repetition}`, attempt: 1, run: 'once', cell: cell.id, repetition },
    ...{ workload: cell.workload, workloadVersion: cell.workloadVersion, params: { ...cell.params } },
    ...{ seed: cell.seed, condition: cell.condition, limits: { ...cell.limits } },
    inputs: cellInputs(cell, inputs),
  }
}

/** A result as a bundle can hold it: what is too large is a failure that says so, as it is on a line. */
function fitting(
  { execution, trace, kept }: ExecutionResult,
  { artifacts }: BundleFolder,
): Pick<ExecutionResult, 'execution' | 'trace'> {
  if (trace !== undefined && Buffer.byteLength(trace) > maxRecordBytes) {
    const message = `its trace is larger than ${maxRecordBytes} bytes; ask for coarser checkpoints`
    const outcome = { status: 'failed', code: 'limit', message, stderr: '' } as const
    return { execution: bareExecution(execution.label, outcome) }
  }
  const lost = kept.filter(({ digest }) => !artifacts.has(digest)).length
  if (lost === 0) return { execution, trace }
  const message = `${lost} tensors were digested and not kept: the bundle is full`
  return {
    execution: { ...execution, notes: [...execution.notes, { kind: 'limit', subject: 'checkpoints', message }] },
    trace,
  }
}
