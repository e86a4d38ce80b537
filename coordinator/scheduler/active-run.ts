import type { Execution } from '../../shared/execution.ts'
import type { SignedResult } from '../../shared/signed-result.ts'
import type { PlannedJob } from '../../shared/messages.ts'
import type { CellRecord, RunRecord, RunState } from '../records.ts'
import type { RunUnderWay, Store } from '../store/index.ts'
import { checkResult, failedExecution, type FindDescription } from './check-result.ts'
import { createJobQueue, jobId, type QueuedJob } from './job-queue.ts'
import { createEventLog, type RunEvent } from './run-events.ts'
import type { CellProgress, RunProgress } from './run-progress.ts'

/** A run while its executions come in and are compared. */
export interface ActiveRun {
  readonly record: RunRecord
  readonly cancelled: boolean
  next(agent: string): PlannedJob | undefined
  /**
   * What a result from an agent is: its job to be recorded; `late` for one recorded before; `not-yours` for another
   * agent's; undefined for no job of this run, or once comparing began.
   */
  claim(agent: string, job: string, attempt: number): QueuedJob | 'late' | 'not-yours' | undefined
  /** Puts a result on disk, or a failure where it does not hold what it claims. */
  accept(
    job: QueuedJob,
    attempt: number,
    execution: Execution,
    body: Uint8Array | undefined,
    signed?: SignedResult,
  ): Promise<void>
  /** An agent came back with an attempt in hand. @returns whether it may go on with it */
  adopt(agent: string, job: string, attempt: number): boolean
  /** An agent went away with the job. */
  lost(job: string): void
  /** The job waits until its agent takes jobs again. */
  postpone(job: string): void
  /** An agent does not take the job, or its result is not taken: it is made again, or failed where it was too often. */
  refused(job: string, attempt: number, reason: string): Promise<void>
  /** An agent will not come back. */
  abandon(agent: string): void
  /** @returns jobs still running */
  cancel(): QueuedJob[]
  /** What runs after a cancel and does not end counts as cancelled. */
  abandonRunning(): void
  /** True once, when every job has ended. */
  startComparing(): boolean
  /** Tells followers how far it is. */
  announce(): void
  enter(state: RunState, failure?: string): void
  progress(): RunProgress
  follow(after: number, signal?: AbortSignal): AsyncIterable<RunEvent>
  /** Lets followers go. */
  end(): void
}

/** @param left what an earlier process left of the run: only executions without a record are made again */
export function createActiveRun(
  record: RunRecord,
  cells: readonly CellRecord[],
  store: Store,
  findDescription: FindDescription,
  left?: Pick<RunUnderWay, 'executions' | 'cancelRequested' | 'resumptions'>,
): ActiveRun {
  const queue = createJobQueue(record, cells, left?.resumptions)
  const events = createEventLog(1000, (left?.resumptions ?? 0) * 1_000_000_000)
  const inputs = record.inputs
  let state: RunState = 'running'
  let cancelled = left?.cancelRequested ?? false
  let comparing = false
  /** Results being written; comparing waits for them. */
  let writing = 0
  let announced = ''
  events.push({ type: 'state', state })
  for (const { cell, repetition, status } of left?.executions ?? [])
    queue.end(jobId(record.id, cell, repetition), status)
  if (cancelled) queue.cancel()

  const announceMissing = ({ cell, repetition, given }: QueuedJob) => {
    events.push({ type: 'execution', cell: cell.id, repetition, attempt: Math.max(given, 1), status: 'missing' })
  }

  const accept: ActiveRun['accept'] = async (job, attempt, execution, body, signed) => {
    const { cell, repetition } = job
    const given = attempt <= job.given
    const { execution: checked, traceText } = given
      ? checkResult(cell, inputs, execution, body, findDescription)
      : { execution: failedExecution('protocol', `attempt ${attempt} of ${job.id} was never given to this agent`) }
    const status = checked.outcome.status
    writing++
    // Ended from now on, so that a duplicate that comes while this one is being written is late.
    queue.end(job.id, status)
    try {
      await store.recordExecution(
        record.id,
        { cell: cell.id, repetition, attempt, execution: checked, ...(signed && { signed }) },
        traceText,
        signed ? `agent:${cell.agent}` : 'coordinator',
      )
    } catch (error) {
      // Not on disk, so not acknowledged: the agent sends it again, or the job is given once more.
      queue.reopen(job.id)
      throw error
    } finally {
      writing--
    }
    const trace = checked.trace === undefined ? {} : { trace: checked.trace }
    events.push({ type: 'execution', cell: cell.id, repetition, attempt, status, ...trace })
  }

  return {
    record,
    get cancelled() {
      return cancelled
    },
    next: (agent) => queue.next(agent),
    claim(agent, id, attempt) {
      const job = comparing ? undefined : queue.find(id)
      if (!job) return undefined
      if (job.cell.agent !== agent) return 'not-yours'
      if (job.state.state === 'ended' && job.state.status !== 'missing') return 'late'
      return attempt >= 1 ? job : undefined
    },
    accept,
    adopt(agent, id, attempt) {
      if (comparing || cancelled || queue.find(id)?.cell.agent !== agent) return false
      return queue.adopt(id, attempt)
    },
    postpone: (id) => queue.postpone(id),
    async refused(id, attempt, reason) {
      const job = queue.find(id)
      if (job?.state.state !== 'running') return
      if (cancelled) return queue.end(id, 'cancelled')
      if (!queue.lost(id)) return
      queue.reopen(id)
      await accept(job, attempt, failedExecution('refused', reason), undefined)
    },
    lost(id) {
      const job = queue.find(id)
      if (job?.state.state !== 'running') return
      if (cancelled) return queue.end(id, 'cancelled')
      if (queue.lost(id)) announceMissing(job)
    },
    abandon(agent) {
      for (const job of queue.abandon(agent)) announceMissing(job)
    },
    cancel() {
      cancelled = true
      return queue.cancel()
    },
    abandonRunning() {
      for (const { id, state: job } of queue.jobs()) if (job.state === 'running') queue.end(id, 'cancelled')
    },
    startComparing() {
      if (comparing || writing > 0 || !queue.finished()) return false
      comparing = true
      return true
    },
    announce() {
      const counts = queue.counts()
      const text = JSON.stringify(counts)
      if (text === announced) return
      announced = text
      events.push({ type: 'progress', ...counts })
    },
    enter(next, failure) {
      state = next
      events.push({ type: 'state', state, ...(failure === undefined ? {} : { failure }) })
      if (state !== 'running' && state !== 'comparing') events.end()
    },
    progress() {
      const byCell = new Map<string, CellProgress & { executions: string[] }>()
      const ordered: CellProgress[] = []
      for (const { cell, repetition, state: job } of queue.jobs()) {
        const status = job.state === 'ended' ? job.status : job.state
        let entry = byCell.get(cell.id)
        if (!entry) {
          entry = { cell, executions: [] }
          byCell.set(cell.id, entry)
          ordered.push(entry)
        }
        entry.executions[repetition] = status
      }
      return { run: { ...record, state }, counts: queue.counts(), cells: ordered }
    },
    follow: (after, signal) => events.follow(after, signal),
    end: () => events.end(),
  }
}
