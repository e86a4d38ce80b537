import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import {
  eventFd,
  maxLineBytes,
  requestFd,
  type RunnerEvent,
  runnerEventSchema,
  type RunnerRequest,
} from '../runner/protocol.ts'
import { killGroup, readResidentBytes } from './process-group.ts'
import { createTail } from './tail.ts'

/** What a runner may take before it is killed. */
export interface Limits {
  readonly timeMs: number
  readonly memoryBytes: number
}

export interface RunnerLaunch {
  readonly executable: string
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly workingFolder: string
}

/** Why the daemon ended a runner. */
export type Interruption =
  | { readonly why: 'cancelled' }
  | { readonly why: 'time' }
  | { readonly why: 'memory'; readonly bytes: number }
  | { readonly why: 'protocol'; readonly fact: string }

/** How a runner ended, and what it said until then. */
export interface RunnerEnd {
  readonly events: readonly RunnerEvent[]
  readonly interruption?: Interruption
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly wallMs: number
  /** Largest sum of resident bytes seen. */
  readonly maxRssBytes?: number
  readonly stdout: string
  readonly stderr: string
}

const memoryPollMs = 100
/** How long what a dead runner wrote may still arrive; a descendant that left its group could hold the pipes for ever. */
const drainMs = 2_000
/** All a runner may say: the trace must fit a frame. */
const maxEventBytes = 48 << 20
const tailLines = 40

/**
 * Runs a runner to its end in a process group of its own, and kills the whole group however it ends.
 *
 * @param cancelled aborts the execution
 * @throws `system` where the process cannot be started
 */
export async function runRunner(
  command: RunnerLaunch,
  request: RunnerRequest,
  limits: Limits,
  cancelled?: AbortSignal,
): Promise<RunnerEnd> {
  const startedAt = performance.now()
  const child = spawn(command.executable, command.argv, {
    cwd: command.workingFolder,
    env: { ...command.environment },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const drained = once(child, 'close')
  // It rejects where the process cannot be started, and `exited` says so.
  drained.catch(() => {})
  const pid = child.pid
  if (pid === undefined) {
    const cause: unknown = await exited.catch((error: unknown) => error)
    throw new BitfleetError('system', `a runner cannot be started: ${messageOf(cause)}`, { cause })
  }

  let interruption: Interruption | undefined
  const interrupt = (reason: Interruption) => {
    interruption ??= reason
    killGroup(pid)
  }
  const events: RunnerEvent[] = []
  const read = readEvents(
    child.stdio[eventFd] as Readable,
    (event) => events.push(event),
    (fact) => interrupt({ why: 'protocol', fact }),
  )
  const stdout = tailOf(child.stdout as Readable)
  const stderr = tailOf(child.stderr as Readable)
  const requestPipe = child.stdio[requestFd] as Writable
  // A runner may die before it has read its request; that shows in how it ends.
  requestPipe.on('error', () => {})
  requestPipe.end(`${JSON.stringify(request)}\n`)

  const timer = setTimeout(() => interrupt({ why: 'time' }), limits.timeMs)
  let maxRssBytes: number | undefined
  const memory = setInterval(() => {
    const bytes = readResidentBytes(pid)
    if (bytes === undefined) return
    maxRssBytes = Math.max(maxRssBytes ?? 0, bytes)
    if (bytes > limits.memoryBytes) interrupt({ why: 'memory', bytes })
  }, memoryPollMs)
  const onCancelled = () => interrupt({ why: 'cancelled' })
  cancelled?.addEventListener('abort', onCancelled)
  if (cancelled?.aborted) onCancelled()

  try {
    const [exitCode, signal] = await exited
    const wallMs = performance.now() - startedAt
    killGroup(pid)
    await settleWithin(child, drained)
    await read
    return {
      events,
      interruption,
      exitCode,
      signal,
      wallMs,
      maxRssBytes,
      stdout: stdout.lines(tailLines),
      stderr: stderr.lines(tailLines),
    }
  } finally {
    clearTimeout(timer)
    clearInterval(memory)
    cancelled?.removeEventListener('abort', onCancelled)
    killGroup(pid)
  }
}

async function settleWithin(child: ChildProcess, drained: Promise<unknown>): Promise<void> {
  const timer = setTimeout(() => {
    for (const stream of child.stdio) stream?.destroy()
  }, drainMs)
  await drained
  clearTimeout(timer)
}

function tailOf(stream: Readable) {
  const tail = createTail()
  stream.on('data', (chunk: Buffer) => tail.push(chunk))
  stream.on('error', () => {})
  return tail
}

/**
 * Takes a runner's events as they come, and resolves when there are no more or the first is broken. A last line that a
 * dying runner left unfinished is dropped.
 *
 * @param broken told what the runner said that no runner says
 */
async function readEvents(
  stream: Readable,
  take: (event: RunnerEvent) => void,
  broken: (fact: string) => void,
): Promise<void> {
  try {
    for await (const line of linesOf(stream)) take(parseEvent(line))
  } catch (error) {
    // Anything else is the pipe's end, which the process's own end explains.
    if (error instanceof BitfleetError) broken(error.message)
  }
}

function parseEvent(line: string): RunnerEvent {
  try {
    return runnerEventSchema.parse(JSON.parse(line))
  } catch (cause) {
    throw new BitfleetError('protocol', `${JSON.stringify(line.slice(0, 120))} is no event`, { cause })
  }
}

/** @throws `protocol` where a line, or all of them, are over their bound */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let pending = Buffer.alloc(0)
  let totalBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    totalBytes += chunk.byteLength
    if (totalBytes > maxEventBytes) throw new BitfleetError('protocol', `its events are over ${maxEventBytes} bytes`)
    pending = Buffer.concat([pending, chunk])
    let at = 0
    for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10, at)) {
      yield pending.toString('utf8', at, end)
      at = end + 1
    }
    pending = pending.subarray(at)
    if (pending.byteLength > maxLineBytes) {
      throw new BitfleetError('protocol', `a line of its events is over ${maxLineBytes} bytes`)
    }
  }
}
