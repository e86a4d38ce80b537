import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { eventFd, maxLineBytes, requestFd, type RunnerEvent, runnerEventSchema, type RunnerRequest } from '../runner/protocol.ts'
import { killGroup, readResidentBytes } from './process-group.ts'
import { createTail } from './tail.ts'

/** What a runner may take before it is killed. */
export interface Limits {
  readonly timeMs: number
  readonly memoryBytes: number
}

export interface RunnerCommand {
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
  command: RunnerCommand,
  request: RunnerRequest,
  limits: Limits,
  cancelled?: AbortSignal,
): Promise<RunnerEnd> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, command.argv, {
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
  readEvents(child.stdio[eventFd] as Readable, {
    event: (event) => events.push(event),
    broken: (fact) => interrupt({ why: 'protocol', fact }),
  })
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

interface EventReader {
  event(event: RunnerEvent): void
  /** The runner said what no runner says; nothing more is read. */
  broken(fact: string): void
}

/** Takes lines off a runner's events, within bounds. A last line that a dying runner left unfinished is dropped. */
function readEvents(stream: Readable, reader: EventReader): void {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let totalBytes = 0
  let broken = false

  const breakOff = (fact: string) => {
    broken = true
    pending = []
    reader.broken(fact)
  }
  const take = (line: string) => {
    try {
      reader.event(runnerEventSchema.parse(JSON.parse(line)))
    } catch (error) {
      breakOff(`"${line.slice(0, 120)}" is no event (${messageOf(error).slice(0, 200)})`)
    }
  }

  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    if (broken) return
    totalBytes += chunk.byteLength
    if (totalBytes > maxEventBytes) return breakOff(`its events are over ${maxEventBytes} bytes`)
    for (let at = 0; !broken; ) {
      const end = chunk.indexOf(10, at)
      const piece = chunk.subarray(at, end < 0 ? undefined : end)
      pendingBytes += piece.byteLength
      if (pendingBytes > maxLineBytes) return breakOff(`a line of its events is over ${maxLineBytes} bytes`)
      pending.push(piece)
      if (end < 0) return
      take(Buffer.concat(pending).toString('utf8'))
      pending = []
      pendingBytes = 0
      at = end + 1
    }
  })
}
