import { cellInputs } from '../../shared/cell.ts'
import type { Outcome } from '../../shared/execution.ts'
import type { PlannedJob } from '../../shared/messages.ts'
import { permutedRounds } from '../../shared/rounds.ts'
import type { CellRecord, RunRecord } from '../records.ts'
import type { RunCounts } from './run-events.ts'

/** What ends with its agent or its process is made again so often before it is given up. */
export const maxAttempts = 5

/** Where one repetition of a cell stands. `given` counts the attempts that an agent was sent. */
export type JobState =
  | { readonly state: 'waiting' }
  | { readonly state: 'running' }
  | { readonly state: 'ended'; readonly status: Outcome['status'] | 'missing' }

export interface QueuedJob {
  readonly id: string
  readonly cell: CellRecord
  readonly repetition: number
  readonly given: number
  readonly state: JobState
}

/** The jobs of one run. Knows no agent and no line: only who may have what, and what became of it. */
export interface JobQueue {
  /** The next job for an agent, now running with one more attempt. */
  next(agent: string): PlannedJob | undefined
  find(job: string): QueuedJob | undefined
  /** An agent came back with an attempt in hand that some process gave it. @returns whether it may go on with it */
  adopt(job: string, attempt: number): boolean
  /** A running job waits again, its attempt not counted: its agent does not take jobs just now. */
  postpone(job: string): void
  /**
   * A running job whose agent was lost waits again, before others; after `maxAttempts` it is missing.
   *
   * @returns whether it is missing now
   */
  lost(job: string): boolean
  /** A job that had ended waits again. */
  reopen(job: string): void
  /** Whatever an agent has not begun is missing. @returns those jobs */
  abandon(agent: string): QueuedJob[]
  /** Nothing more is begun: whatever waits is cancelled. @returns those still running */
  cancel(): QueuedJob[]
  end(job: string, status: Outcome['status'] | 'missing'): void
  /** Whether every job has ended. */
  finished(): boolean
  counts(): RunCounts
  jobs(): Iterable<QueuedJob>
}

type Entry = { -readonly [Key in keyof QueuedJob]: QueuedJob[Key] } & { postponed: number }

export function jobId(run: string, cell: string, repetition: number): string {
  return `${run}/${cell}/${repetition}`
}

/**
 * Each agent gets repetition 0 of all its cells, then 1 of all, and so on, each round in an order of its own
 * (`permutedRounds`): what drifts on a machine meets all conditions alike.
 *
 * @param earlier processes that gave jobs of this run before. Nobody wrote down which attempts they made, so that these
 *   count on from the most there can have been, and no two executions of a job share a number.
 */
export function createJobQueue(run: RunRecord, cells: readonly CellRecord[], earlier = 0): JobQueue {
  const before = earlier * maxAttempts
  const entries = new Map<string, Entry>()
  const most = cells.reduce((highest, { repetitions }) => Math.max(highest, repetitions), 0)
  const ordered = [...cells].sort((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1))
  for (let repetition = 0; repetition < most; repetition++) {
    for (const cell of ordered) {
      if (repetition >= cell.repetitions) continue
      const id = jobId(run.id, cell.id, repetition)
      entries.set(id, { id, cell, repetition, given: before, postponed: 0, state: { state: 'waiting' } })
    }
  }
  const waiting = waitingJobs(run.id, ordered, entries)
  const ended: Partial<Record<Outcome['status'] | 'missing', number>> = {}
  let runningCount = 0
  let endedCount = 0

  const set = (entry: Entry, state: JobState) => {
    const before = entry.state
    if (before.state === 'running') runningCount--
    if (before.state === 'ended') {
      endedCount--
      ended[before.status] = (ended[before.status] ?? 1) - 1
      if (ended[before.status] === 0) delete ended[before.status]
    }
    entry.state = state
    if (state.state === 'running') runningCount++
    if (state.state === 'ended') {
      endedCount++
      ended[state.status] = (ended[state.status] ?? 0) + 1
    }
  }

  const wait = (entry: Entry) => {
    set(entry, { state: 'waiting' })
    waiting.get(entry.cell.agent)?.push(entry)
  }

  return {
    next(agent) {
      const list = waiting.get(agent) ?? []
      let entry = list.pop()
      // Ended while it waited: a result of an earlier attempt came after all.
      while (entry && entry.state.state !== 'waiting') entry = list.pop()
      if (!entry) return undefined
      set(entry, { state: 'running' })
      entry.given++
      return jobOf(run, entry)
    },
    find: (job) => entries.get(job),
    adopt(job, attempt) {
      const entry = entries.get(job)
      if (!entry || entry.state.state === 'ended') return false
      entry.given = Math.max(entry.given, attempt)
      set(entry, { state: 'running' })
      return true
    },
    postpone(job) {
      const entry = entries.get(job)
      if (entry?.state.state !== 'running') return
      entry.postponed++
      wait(entry)
    },
    lost(job) {
      const entry = entries.get(job)
      if (entry?.state.state !== 'running') return false
      const missing = entry.given - entry.postponed - before >= maxAttempts
      if (missing) set(entry, { state: 'ended', status: 'missing' })
      else wait(entry)
      return missing
    },
    reopen(job) {
      const entry = entries.get(job)
      if (entry?.state.state === 'ended') wait(entry)
    },
    abandon(agent) {
      const dropped = (waiting.get(agent) ?? []).splice(0).filter(({ state }) => state.state === 'waiting')
      for (const entry of dropped) set(entry, { state: 'ended', status: 'missing' })
      return dropped
    },
    cancel() {
      for (const list of waiting.values()) {
        for (const entry of list.splice(0)) {
          if (entry.state.state === 'waiting') set(entry, { state: 'ended', status: 'cancelled' })
        }
      }
      return [...entries.values()].filter(({ state }) => state.state === 'running')
    },
    end(job, status) {
      const entry = entries.get(job)
      if (entry) set(entry, { state: 'ended', status })
    },
    finished: () => endedCount === entries.size,
    counts: () => ({
      total: entries.size,
      waiting: entries.size - runningCount - endedCount,
      running: runningCount,
      ended: { ...ended },
    }),
    jobs: () => entries.values(),
  }
}

/** For each agent its waiting jobs, the next one last. */
function waitingJobs(
  run: string,
  cells: readonly CellRecord[],
  entries: ReadonlyMap<string, Entry>,
): Map<string, Entry[]> {
  const byAgent = new Map<string, CellRecord[]>()
  for (const cell of cells) {
    const own = byAgent.get(cell.agent)
    if (own) own.push(cell)
    else byAgent.set(cell.agent, [cell])
  }
  return new Map(
    [...byAgent].map(([agent, own]) => {
      const turns = permutedRounds(own, run, agent).toReversed()
      return [agent, turns.map(({ cell, repetition }) => entries.get(jobId(run, cell.id, repetition)) as Entry)]
    }),
  )
}

function jobOf(run: RunRecord, { id, cell, repetition, given }: Entry): PlannedJob {
  return {
    ...{ id, attempt: given, run: run.id, cell: cell.id, repetition },
    ...{ workload: cell.workload, workloadVersion: cell.workloadVersion, params: { ...cell.params } },
    ...{ seed: cell.seed, condition: cell.condition, limits: cell.limits },
    inputs: cellInputs(cell, run.inputs),
  }
}
