import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BitfleetError } from '../../shared/errors.ts'

/** A process of this program that `local` starts and ends. */
export interface Side {
  readonly name: string
  readonly process: ChildProcess
  readonly logFile: string
  /** Bytes of the log that are of earlier starts. */
  readonly logStart: number
  /** Resolves when all that it wrote is in the log. */
  readonly logged: Promise<void>
  /** Resolves, never rejects, also where it could not be started. */
  readonly exited: Promise<unknown>
}

/** Output goes to a log file, behind that of earlier starts; the channel between the processes ends the side if this process dies first. */
export function startSide(name: string, out: string, main: string, argv: readonly string[]): Side {
  const logFile = join(out, 'logs', `${name}.log`)
  const logStart = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
  const child = spawn(process.execPath, [main, ...argv], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true })
  const log = createWriteStream(logFile, { flags: 'a' })
  // A full disk takes no log; the run itself says what it cannot write.
  log.on('error', () => child.stdout?.resume() && child.stderr?.resume())
  child.stdout?.pipe(log, { end: false })
  child.stderr?.pipe(log, { end: false })
  // What it wrote last may come after its exit.
  const logged = once(child, 'close')
    .catch(() => {})
    .then(() => new Promise<void>((resolve) => log.end(() => resolve())))
  return { name, process: child, logFile, logStart, logged, exited: once(child, 'exit').catch(() => {}) }
}

export async function endSide({ process: child, exited }: Side): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await exited
    clearTimeout(timer)
  }
}

/** Rejects when a side ends that should be running. */
export async function diedEarly(side: Side): Promise<never> {
  await side.exited
  // A process that it started may keep its output open.
  await Promise.race([side.logged, delay(1000, undefined, { ref: false })])
  const { exitCode, signalCode } = side.process
  const how = signalCode === null ? `with code ${exitCode}` : `by ${signalCode}`
  const bytes = await readFile(side.logFile).catch(() => Buffer.alloc(0))
  const log = bytes.subarray(side.logStart).toString('utf8').trim()
  const last = log === '' ? 'nothing' : `\n${log.split('\n').slice(-5).join('\n')}`
  throw new BitfleetError('unavailable', `the ${side.name} ended early, ${how}; ${side.logFile} says ${last}`)
}

/** Whether this very process has written where it listens; a file left by an earlier one says another's. */
export async function hasAddress(path: string, side: Side): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text !== '' && (JSON.parse(text) as { pid: number }).pid === side.process.pid
}

/** An agent asks the runner of each installed backend what it is, emulated ones among them, on a machine that may be busy. */
const startupMs = 300_000

export async function untilReady(side: Side, ready: () => Promise<boolean>): Promise<void> {
  const died = diedEarly(side)
  died.catch(() => {})
  const deadline = performance.now() + startupMs
  while (!(await ready())) {
    if (performance.now() > deadline) {
      throw new BitfleetError(
        'unavailable',
        `the ${side.name} was not ready in ${startupMs / 1000} s; see ${side.logFile}`,
      )
    }
    await Promise.race([delay(50), died])
  }
}
