import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { ProgramValue } from '../../workloads/program.ts'
import type { WorkloadContext } from '../../workloads/workload.ts'
import { type ModeReader, openModeReader } from '../inventory/thread-mode.ts'
import { runnerEnvironment } from './config.ts'
import type { ProgramEntry } from './entry.ts'
import { type ModeWatch, watchMode } from './mode-watch.ts'
import { type Observer, observeProgram } from './observe.ts'
import { findChangedPin } from './pins.ts'
import type { Said } from './said.ts'
import { createTraceReader, type TraceReader } from './trace-reader.ts'

/** How often is looked for new lines, in ms: at first often, since what is short is soon over. */
const firstPollMs = 4
const lastPollMs = 40
/** How seldom the processes are looked at, in ms, once they have been looked at a few times. */
const lastSampleMs = 1000

/** A program that a signal ended. */
export class ProgramCrash extends Error {
  readonly signal: NodeJS.Signals

  constructor(id: string, signal: NodeJS.Signals) {
    super(`program ${id} was ended by ${signal}`)
    this.signal = signal
  }
}

/** What is seen of a program that it does not say itself. */
export interface SeenProgram {
  readonly observer: Observer
  readonly modes: ModeWatch
}

export interface ProgramRun {
  readonly parameters: Readonly<Record<string, ProgramValue>>
  /** Decimal. */
  readonly seed: string
  readonly checkpoint: WorkloadContext['checkpoint']
  readonly said: Said
  /** Told once the program has started. */
  readonly started: (seen: SeenProgram) => void
}

/**
 * Runs a listed program to its end, and takes what it traces as it comes.
 *
 * @throws `digest-mismatch` where a pinned file is not what it is pinned as, before or after; `usage` for a seed that is
 *   no number or a parameter it does not take; `workload`, `format` or `limit` where its trace cannot be; a `ProgramCrash`
 */
export async function runProgram(entry: ProgramEntry, run: ProgramRun): Promise<void> {
  checkSeed(run.seed)
  const parameters = fillParameters(entry, run.parameters)
  await checkPins(entry)
  const out = mkdtempSync(join(tmpdir(), 'out-'))
  const trace = createTraceReader(entry, out, run)
  const reader = await openModeReader()
  const child = start(entry, out, parameters, run.seed)
  const ended = await follow(entry, child, { trace, reader, ...run })
  await checkPins(entry, ended.signal ?? `code ${ended.code}`)
  if (ended.signal !== null) throw new ProgramCrash(entry.id, ended.signal)
  if (ended.code !== 0) throw new BitfleetError('workload', `program ${entry.id} ended with code ${ended.code}`)
  trace.complete()
}

/** A script may well reckon with its seed as a shell does, so that whoever asks gives it digits and nothing else. */
function checkSeed(seed: string): void {
  if (/^(?:0|[1-9]\d{0,38})$/.test(seed)) return
  throw new BitfleetError(
    'usage',
    `the seed ${JSON.stringify(visibleLine(seed.slice(0, 80)))} is not a whole number in decimal of at most 39 digits`,
  )
}

/** The plan's parameters and the defaults of the others. */
function fillParameters(
  { id, parameters }: ProgramEntry,
  planned: Readonly<Record<string, ProgramValue>>,
): Record<string, ProgramValue> {
  for (const [name, value] of Object.entries(planned)) {
    const preset = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (preset === undefined) {
      const has = Object.keys(parameters)
      throw new BitfleetError(
        'usage',
        `program ${id} has no parameter "${name}"; ` +
          (has.length === 0 ? 'it takes none' : `it takes ${has.join(', ')}`),
      )
    }
    if (typeof value !== typeof preset) {
      throw new BitfleetError(
        'usage',
        `parameter ${name} of program ${id} is a ${typeof preset}, such as ${JSON.stringify(preset)}; ` +
          `${JSON.stringify(value)} is a ${typeof value}`,
      )
    }
  }
  return { ...parameters, ...planned }
}

async function checkPins(entry: ProgramEntry, end?: string): Promise<void> {
  const changed = await findChangedPin(entry)
  if (changed === undefined) return
  const when = end === undefined ? '' : ` (found when the program had ended, with ${end})`
  throw new BitfleetError('digest-mismatch', `${changed}${when}`)
}

/** @throws `system` where the folder it is started in is not there */
function start(
  { id, command, directory, environment }: ProgramEntry,
  out: string,
  parameters: Readonly<Record<string, ProgramValue>>,
  seed: string,
): ChildProcess {
  const scratch = join(tmpdir(), 'work')
  if (directory === undefined) mkdirSync(scratch)
  else if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new BitfleetError(
      'system',
      `program ${id} is to be started in ${directory}, which is no folder; make it, or list the program with another`,
    )
  }
  const set = runnerEnvironment()
  guardGroup()
  return spawn(command[0] as string, command.slice(1), {
    cwd: directory ?? scratch,
    env: {
      // The fixed variables that a runner is not started with; of the others, a knob may have set one otherwise.
      ...environment,
      ...set,
      BITFLEET_OUT: out,
      BITFLEET_SEED: seed,
      BITFLEET_PARAMETERS: JSON.stringify(parameters),
      ...Object.fromEntries(
        Object.entries(parameters).map(([name, value]) => [`BITFLEET_PARAM_${name}`, String(value)]),
      ),
    },
    // Its output is this runner's log.
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

/**
 * Lets the program end with this runner, however that ends: the daemon ends the group of a runner that it outlives; of
 * a runner that dies with its daemon this ends it. Only where the group is the runner's own.
 */
function guardGroup(): void {
  const stat = process.platform === 'linux' ? readFileSync('/proc/self/stat', 'utf8') : ''
  const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
  if (group !== process.pid) return
  const guard = spawn('/bin/sh', ['-c', 'read _; kill -9 0'], { stdio: ['pipe', 'ignore', 'ignore'], env: {} })
  guard.on('error', () => {})
  guard.unref()
}

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** @returns how the program ended @throws what is wrong with its trace, of one that ended well or had to be ended */
async function follow(
  { id }: ProgramEntry,
  child: ChildProcess,
  { trace, reader, started }: Pick<ProgramRun, 'started'> & { trace: TraceReader; reader: ModeReader | string },
): Promise<Ended> {
  const seen: { ended?: Ended } = {}
  const end = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new BitfleetError('system', `program ${id} cannot be started: ${messageOf(cause)}`, { cause })),
    )
    child.once('exit', (code, signal) => {
      seen.ended = { code, signal }
      resolve()
    })
  })
  const { pid } = child
  if (pid === undefined) {
    await end
    throw new BitfleetError('system', `program ${id} cannot be started`)
  }
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const modes = watchMode(pid, reader)
  try {
    // First of all: a library that is loaded at once may change it.
    modes.look(0)
    const observer = observeProgram(pid)
    started({ observer, modes })
    let pollMs = firstPollMs
    let sampleMs = 0
    for (let sampled = 0; seen.ended === undefined; ) {
      if (performance.now() - sampled >= sampleMs) {
        observer.sample()
        sampled = performance.now()
        sampleMs = Math.min(lastSampleMs, sampleMs * 1.5 + 1)
      }
      modes.look(trace.size())
      trace.readOn()
      modes.reached(trace.last())
      await within(end, pollMs)
      pollMs = Math.min(lastPollMs, pollMs * 1.1)
    }
  } catch (error) {
    kill()
    await end.catch(() => {})
    throw error
  } finally {
    process.off('exit', kill)
  }
  try {
    modes.close(trace.size())
    trace.readOn()
  } catch (error) {
    // One that died says first of all that.
    if (seen.ended.signal === null && seen.ended.code === 0) throw error
  }
  return seen.ended
}

async function within(end: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  try {
    await Promise.race([end, new Promise((resolve) => (timer = setTimeout(resolve, ms)))])
  } finally {
    clearTimeout(timer)
  }
}
