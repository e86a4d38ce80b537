import { isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/execution.ts'
import type { Job } from '../../shared/messages.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { JobKey } from '../spool/file-name.ts'
import type { SeenNonces } from '../spool/seen-nonces.ts'
import type { Spool } from '../spool/spool.ts'
import { bareExecution, type ExecutionResult } from './execution.ts'

export interface Finished extends JobKey {
  readonly given: Job
  readonly result: ExecutionResult
}

/** Jobs taken on, run `slots` at a time, and their results until the coordinator has acknowledged them. */
export interface JobQueue {
  /**
   * Takes a job, or refuses it. One that is known already is not run twice, and its result, if there is one, is offered
   * again.
   */
  add(job: Job): void
  /** Ends every attempt of a job, running or waiting. */
  cancel(job: string): void
  /** The coordinator has it on disk: it is forgotten here. */
  acknowledge(job: string, attempt: number): void
  /** The coordinator does not take the result and never will: it is kept aside and not offered again. */
  reject(job: string, attempt: number): void
  /** Attempts of which a result is to be handed in, in the order they were made. */
  owed(): JobKey[]
  /** A result to hand in, read from disk; undefined where it is not owed any more. @throws what the disk refuses now */
  read(key: JobKey): Promise<Finished | undefined>
  /** All it has in hand: waiting, running, and finished but not acknowledged. */
  holding(): JobKey[]
  counts(): QueueCounts
  /** Takes nothing new and finishes all it has; resolves when nothing runs and all is acknowledged. */
  drain(): Promise<void>
  /**
   * Takes nothing new, gives back what waits, lets what runs go on for a while and then cancels it; resolves when nothing
   * runs any more. Called again, with a shorter while.
   *
   * @param graceMs how long running executions may go on; 0, as where it is left out, cancels them at once
   */
  stop(graceMs?: number): Promise<void>
}

export interface QueueCounts {
  readonly waiting: number
  readonly running: number
  /** Results not acknowledged. */
  readonly owed: number
  /** Those of them that the disk did not take yet. */
  readonly unwritten: number
  /** Why it takes no jobs now. */
  readonly refusing?: string
}

export interface JobQueueOptions {
  readonly slots: number
  readonly spool: Spool
  readonly seen: SeenNonces
  /** Makes one execution and never throws for what the execution does. */
  run(job: Job, signal: AbortSignal): Promise<ExecutionResult>
  /** The last word on every result before it is kept, also on those the queue makes itself: signs it. */
  seal?(job: Job, result: ExecutionResult): ExecutionResult
  /** A result is there to be handed in; told again when its job is sent once more. */
  offer(key: JobKey): void
  /** A job is not taken. `later`: not now, and it may be given again after `ready`; else never. */
  refused(job: Job, reason: string, later: boolean): void
  /** After a job was refused for want of room: there is room again. */
  ready(): void
  readonly log: (line: string) => void
  /** How long it waits before it tries a disk again that took no more. */
  readonly retryMs?: number
}

type State = 'waiting' | 'running' | 'writing' | 'unwritten'

interface Entry {
  readonly job: Job
  readonly controller: AbortController
  state: State
  /** From `writing` on. */
  result?: ExecutionResult
  /** Settled with the coordinator while it was being written. */
  settled?: 'acknowledged' | 'rejected'
  /** Cancelled because the agent stops: its job is made again, so that nothing is kept of it on disk. */
  abandoned?: boolean
}

/** Jobs in memory beyond those that run: a coordinator gives no more than there are slots. */
const mostWaiting = 1000

export function createJobQueue(options: JobQueueOptions): JobQueue {
  const { slots, spool, seen, log, retryMs = 5_000 } = options
  /** Jobs until their results are on disk; from then on the spool has them. */
  const entries = new Map<string, Entry>()
  /** Executions, and results being kept that need no slot. */
  const tasks = new Set<Promise<void>>()
  let taken = 0
  let draining = false
  let stopping = false
  /** Why the disk takes nothing. */
  let blocked: string | undefined
  /** A job was refused for want of room, and nobody was told since that there is room. */
  let owesReady = false
  let retry: NodeJS.Timeout | undefined
  const whenDrained: (() => void)[] = []

  const inState = (...states: State[]) => [...entries.values()].filter(({ state }) => states.includes(state))
  const noRoom = () => blocked ?? spool.fullness() ?? seen.fullness() ?? crowding()
  const crowding = () =>
    entries.size < slots + mostWaiting
      ? undefined
      : `this agent has ${entries.size} jobs in hand, and begins with those`
  const refusing = () => (stopping ? 'this agent is stopping' : draining ? 'this agent is draining' : noRoom())

  /** After whatever may have made room, or been the last of all. */
  const changed = () => {
    if (owesReady && refusing() === undefined) {
      owesReady = false
      options.ready()
    }
    if (entries.size === 0 && spool.usage().records === 0) for (const resolve of whenDrained.splice(0)) resolve()
  }

  const refuse = (job: Job, reason: string, later: boolean) => {
    log(`${nameOf(job)} is not taken: ${reason}`)
    if (later) owesReady = true
    options.refused(job, reason, later)
  }

  const giveBack = (entry: Entry, reason: string) => {
    entries.delete(keyOf(entryKey(entry)))
    refuse(entry.job, reason, true)
  }

  /** The disk took nothing: until it does, what waits is better made elsewhere. */
  const block = (error: unknown) => {
    blocked = blockedBy(error)
    for (const entry of inState('waiting')) giveBack(entry, blocked)
    retry ??= setTimeout(() => void tryAgain(), retryMs)
  }

  const nextUnwritten = () => inState('unwritten').find(({ abandoned }) => !abandoned)

  const tryAgain = async () => {
    try {
      if (nextUnwritten() === undefined) await spool.probe()
      for (let entry = nextUnwritten(); entry !== undefined; entry = nextUnwritten()) {
        await write(entry)
        // Lines that opened while it was being written did not see it.
        if (spool.has(entryKey(entry))) options.offer(entryKey(entry))
      }
      log('the disk takes results again')
      blocked = undefined
      retry = undefined
      changed()
    } catch (error) {
      blocked = blockedBy(error)
      retry = setTimeout(() => void tryAgain(), retryMs)
    }
  }

  /** @throws what the disk refuses: then the result stays in memory */
  const write = async (entry: Entry) => {
    const key = entryKey(entry)
    // Settled or given up in the meantime.
    if (entries.get(keyOf(key)) !== entry) return
    entry.state = 'writing'
    try {
      await spool.add(entry.job, entry.result as ExecutionResult)
    } catch (error) {
      if (isBitfleetError(error) && error.code === 'limit') {
        const { label } = (entry.result as ExecutionResult).execution
        entry.result = sealed(entry.job, failed(label, error))
        return await write(entry)
      }
      if (entry.settled === undefined) entry.state = 'unwritten'
      else entries.delete(keyOf(key))
      throw error
    }
    entries.delete(keyOf(key))
    if (entry.settled === 'acknowledged') await spool.remove(key)
    if (entry.settled === 'rejected') await spool.reject(key)
  }

  const sealed = (job: Job, result: ExecutionResult) => options.seal?.(job, result) ?? result

  const settle = async (entry: Entry, made: ExecutionResult) => {
    const key = entryKey(entry)
    entry.result = sealed(entry.job, made)
    log(`${nameOf(entry.job)}: ${made.execution.outcome.status}`)
    if (entry.abandoned && made.execution.outcome.status === 'cancelled') entry.state = 'unwritten'
    else {
      await write(entry).catch((error: unknown) => {
        log(`the result of ${nameOf(entry.job)} is kept in memory until the disk takes it: ${messageOf(error)}`)
        block(error)
      })
    }
    // What the disk does not take, the coordinator's may.
    if (entry.settled === undefined) options.offer(key)
    changed()
  }

  const execute = async (entry: Entry) => {
    const { job, controller } = entry
    entry.state = 'running'
    try {
      await seen.add(job.nonce, job.expiresAt)
    } catch (error) {
      if (isBitfleetError(error)) {
        entries.delete(keyOf(entryKey(entry)))
        return refuse(job, messageOf(error), false)
      }
      block(error)
      return giveBack(entry, blockedBy(error))
    }
    if (controller.signal.aborted) return await settle(entry, cancelled())
    const made = await options
      .run(job, controller.signal)
      .catch((error: unknown) => (controller.signal.aborted ? cancelled() : failed('native', error)))
    // What fails while the disk is full says nothing of the condition: it counts as not made, and is made again.
    if (wentWrong(made) && !controller.signal.aborted) {
      const full = await spool.probe().then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      if (full !== undefined && !controller.signal.aborted) {
        block(full.error)
        return giveBack(entry, `${blockedBy(full.error)}, and its execution went wrong`)
      }
    }
    await settle(entry, made)
  }

  const track = (work: Promise<void>, ended: () => void) => {
    const task = work.finally(() => {
      tasks.delete(task)
      ended()
    })
    tasks.add(task)
  }

  const fill = () => {
    for (const entry of inState('waiting')) {
      if (taken >= slots) return
      taken++
      track(execute(entry), () => {
        taken--
        fill()
        changed()
      })
    }
  }

  const cancelEntry = (entry: Entry) => {
    entry.controller.abort()
    if (entry.state !== 'waiting') return
    entry.state = 'running'
    track(settle(entry, cancelled()), changed)
  }

  const done = (key: JobKey, how: 'acknowledged' | 'rejected') => {
    const entry = entries.get(keyOf(key))
    if (entry?.state === 'writing') entry.settled = how
    if (entry?.state === 'unwritten') {
      entries.delete(keyOf(key))
      if (how === 'rejected') log(`${nameOf(entry.job)}: its result was on no disk yet, and is dropped`)
    }
    if (entry === undefined) {
      void (how === 'acknowledged' ? spool.remove(key) : spool.reject(key)).then(changed)
    }
    changed()
  }

  return {
    add(job) {
      const key = { job: job.id, attempt: job.attempt }
      const known = entries.get(keyOf(key))
      if (known?.state === 'unwritten' || (known === undefined && spool.has(key))) return options.offer(key)
      if (known !== undefined) return
      const isRepeated = seen.has(job.nonce) || [...entries.values()].some((entry) => entry.job.nonce === job.nonce)
      if (isRepeated) return refuse(job, 'this agent took a job of this nonce before', false)
      const reason = refusing()
      if (reason !== undefined) return refuse(job, reason, true)
      entries.set(keyOf(key), { job, controller: new AbortController(), state: 'waiting' })
      fill()
    },
    cancel(id) {
      for (const entry of inState('waiting', 'running')) if (entry.job.id === id) cancelEntry(entry)
    },
    acknowledge: (job, attempt) => done({ job, attempt }, 'acknowledged'),
    reject: (job, attempt) => done({ job, attempt }, 'rejected'),
    owed: () => [...spool.keys(), ...inState('unwritten').map(entryKey)],
    async read(key) {
      const entry = entries.get(keyOf(key))
      // Also while it is being written once more.
      if (entry?.result !== undefined) return { ...key, given: entry.job, result: entry.result }
      const record = await spool.read(key)
      if (record === undefined) {
        changed()
        return undefined
      }
      return { ...key, given: record.job, result: record.result }
    },
    holding: () => [...spool.keys(), ...[...entries.values()].map(entryKey)],
    counts() {
      const reason = refusing()
      const unwritten = inState('unwritten').length
      return {
        waiting: inState('waiting').length,
        running: inState('running', 'writing').length,
        owed: spool.usage().records + unwritten,
        unwritten,
        ...(reason === undefined ? {} : { refusing: reason }),
      }
    },
    async drain() {
      draining = true
      await new Promise<void>((resolve) => {
        whenDrained.push(resolve)
        changed()
      })
    },
    async stop(graceMs = 0) {
      stopping = true
      const giveUp = (...states: State[]) => {
        for (const entry of inState(...states)) {
          entry.abandoned = true
          cancelEntry(entry)
        }
      }
      giveUp('waiting')
      let timer: NodeJS.Timeout | undefined
      if (graceMs > 0) timer = setTimeout(() => giveUp('running'), graceMs)
      else giveUp('running')
      while (tasks.size > 0) await Promise.all(tasks)
      clearTimeout(timer)
      clearTimeout(retry)
      for (let entry = nextUnwritten(); entry !== undefined; entry = nextUnwritten()) {
        try {
          await write(entry)
        } catch (error) {
          log(`${inState('unwritten').length} results are lost with this process: ${messageOf(error)}`)
          return
        }
      }
    },
  }
}

function entryKey({ job }: Entry): JobKey {
  return { job: job.id, attempt: job.attempt }
}

function keyOf({ job, attempt }: JobKey): string {
  return `${attempt}/${job}`
}

function nameOf({ id, attempt }: Job): string {
  return `${visibleLine(id)} (attempt ${attempt})`
}

function blockedBy(error: unknown): string {
  return `the disk of this agent takes nothing now (${messageOf(error)})`
}

function wentWrong({ execution: { outcome } }: ExecutionResult): boolean {
  return outcome.status === 'failed' || outcome.status === 'crashed' || outcome.status === 'timed-out'
}

function cancelled(): ExecutionResult {
  return { execution: bareExecution('native', { status: 'cancelled' }), kept: [] }
}

function failed(label: ExecutionResult['execution']['label'], error: unknown): ExecutionResult {
  const code = isBitfleetError(error) ? error.code : 'internal'
  const outcome: Outcome = { status: 'failed', code, message: messageOf(error), stderr: '' }
  return { execution: bareExecution(label, outcome), kept: [] }
}
