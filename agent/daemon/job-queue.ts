import { isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/execution.ts'
import type { HeldJob, Job } from '../../shared/messages.ts'
import { bareExecution, type ExecutionResult } from './execution.ts'

export interface Finished {
  readonly job: string
  readonly attempt: number
  /** The job's. */
  readonly nonce: string
  readonly result: ExecutionResult
}

/** Jobs taken on, run `slots` at a time, and their results until the coordinator has acknowledged them. */
export interface JobQueue {
  /** Takes a job; one that is known already is not run twice, and its result, if there is one, is handed in again. */
  add(job: Job): void
  /** Ends every attempt of a job, running or waiting. */
  cancel(job: string): void
  acknowledge(job: string, attempt: number): void
  /** The coordinator does not take the result and never will. */
  reject(job: string, attempt: number): void
  /** All that is in hand: waiting, running, and not yet acknowledged. */
  holding(): HeldJob[]
  /** Results not yet acknowledged, in the order they were made. */
  unacknowledged(): Finished[]
  /** Cancels all; resolves when nothing runs any more. */
  stop(): Promise<void>
}

interface Entry {
  readonly job: Job
  readonly controller: AbortController
  result?: ExecutionResult
}

/**
 * @param run      makes one execution and never throws for what the execution does
 * @param sign     puts the agent's signature to a result
 * @param finished called with every result, and again when a job is sent that has one
 */
export function createJobQueue(
  slots: number,
  run: (job: Job, signal: AbortSignal) => Promise<ExecutionResult>,
  sign: (job: Job, result: ExecutionResult) => ExecutionResult,
  finished: (finished: Finished) => void,
): JobQueue {
  const entries = new Map<string, Entry>()
  const waiting: Entry[] = []
  const running = new Set<Promise<void>>()
  let stopping = false

  const settle = (entry: Entry, made: ExecutionResult) => {
    const result = sign(entry.job, made)
    entry.result = result
    finished(finishedOf(entry.job, result))
  }

  const execute = async (entry: Entry) => {
    settle(entry, await run(entry.job, entry.controller.signal).catch((error: unknown) => failure(entry, error)))
  }

  const fill = () => {
    while (running.size < slots) {
      const entry = waiting.shift()
      if (entry === undefined) return
      const task = execute(entry).finally(() => {
        running.delete(task)
        fill()
      })
      running.add(task)
    }
  }

  const cancelEntry = (entry: Entry) => {
    entry.controller.abort()
    const at = waiting.indexOf(entry)
    if (at < 0) return
    waiting.splice(at, 1)
    settle(entry, failure(entry, undefined))
  }

  return {
    add(job) {
      const key = keyOf(job.id, job.attempt)
      const known = entries.get(key)
      if (known?.result !== undefined) finished(finishedOf(job, known.result))
      if (known !== undefined || stopping) return
      const entry: Entry = { job, controller: new AbortController() }
      entries.set(key, entry)
      waiting.push(entry)
      fill()
    },
    cancel(id) {
      for (const entry of entries.values()) if (entry.job.id === id && entry.result === undefined) cancelEntry(entry)
    },
    acknowledge(job, attempt) {
      const key = keyOf(job, attempt)
      if (entries.get(key)?.result !== undefined) entries.delete(key)
    },
    unacknowledged() {
      return [...entries.values()].flatMap(({ job, result }) => (result === undefined ? [] : [finishedOf(job, result)]))
    },
    reject(job, attempt) {
      entries.delete(keyOf(job, attempt))
    },
    holding: () => [...entries.values()].map(({ job: { id, attempt } }) => ({ job: id, attempt })),
    async stop() {
      stopping = true
      for (const entry of entries.values()) if (entry.result === undefined) cancelEntry(entry)
      await Promise.all(running)
    },
  }
}

function finishedOf({ id, attempt, nonce }: Job, result: ExecutionResult): Finished {
  return { job: id, attempt, nonce, result }
}

function keyOf(job: string, attempt: number): string {
  return `${attempt}/${job}`
}

function failure({ controller }: Entry, error: unknown): ExecutionResult {
  const outcome: Outcome =
    controller.signal.aborted || error === undefined
      ? { status: 'cancelled' }
      : {
          status: 'failed',
          code: isBitfleetError(error) ? error.code : 'internal',
          message: messageOf(error),
          stderr: '',
        }
  return { execution: bareExecution('native', outcome), kept: [] }
}
