import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { type BackendDescription, backendDescriptionSchema } from '../../shared/backend-description.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import { describeWithoutRunner } from './find-runner.ts'
import { runnerStart } from './runner-environment.ts'
import { launchOf, listRunners, type Runner, type RunnerCommand, type RunnerConfig } from './runners.ts'

/** A backend, and the runner that offers it. */
export interface Offer {
  readonly backend: BackendDescription
  /** Left out where there is nothing to start. */
  readonly runner?: RunnerCommand
}

/** Runners asked at a time: each may load a library of a gigabyte. */
const atATime = 2
/** How long one may take; a first look into a large library from a slow disk takes a minute. */
const describeMs = 180_000
/** All that a runner may say of its backends. */
const maxDescriptionBytes = 4 << 20

/** The backends of this machine, ready or not, as `offersOf` tells them. */
export async function describeBackends(config: RunnerConfig): Promise<BackendDescription[]> {
  return (await offersOf(config)).map(({ backend }) => backend)
}

/**
 * The backends of this machine, ready or not, and how to start each one's runner. Asked of children, in a runner's
 * environment: looking for a library may load it, and the daemon loads none. An installed backend whose runner cannot
 * say is there with the reason.
 *
 * @throws `usage` where `BITFLEET_RUNNERS` names a folder without runners; `usage` or `internal` where the built-in runner cannot say; `conflict` where two runners offer one id
 */
export async function offersOf(config: RunnerConfig): Promise<Offer[]> {
  const runners = listRunners(config)
  const offers: Offer[][] = runners.map(() => [])
  const waiting = runners.entries()
  const ask = async () => {
    for (const [i, runner] of waiting) offers[i] = await offersOfRunner(runner, config.environment)
  }
  await Promise.all(Array.from({ length: atATime }, ask))
  return distinct(offers.flat())
}

function distinct(offers: readonly Offer[]): Offer[] {
  const ids = new Set<string>()
  for (const { backend, runner } of offers) {
    if (ids.has(backend.id)) {
      throw new BitfleetError(
        'conflict',
        `backend ${backend.id} is offered by two runners of this machine, one of them ${runner?.argv.join(' ')}; ` +
          'rename the one in BITFLEET_RUNNER_MODULES, or remove the installed backend or the listed program',
      )
    }
    ids.add(backend.id)
  }
  return [...offers]
}

async function offersOfRunner(runner: Runner, environment: RunnerConfig['environment']): Promise<Offer[]> {
  if ('absent' in runner) return describeWithoutRunner(runner.absent).map((backend) => ({ backend }))
  if (!('id' in runner) && !('program' in runner)) {
    const { command } = runner
    return (await askRunner(command, environment)).map((backend) => ({ backend, runner: command }))
  }
  if ('broken' in runner) return [{ backend: unusable(runner, runner.broken) }]
  const { command } = runner
  const id = 'program' in runner ? runner.program : runner.id
  try {
    const backends = await askRunner(command, environment)
    const backend = backends.find((offered) => offered.id === id)
    if (backend !== undefined && backends.length === 1) return [{ backend, runner: command }]
    const said = backends.length === 0 ? 'nothing' : backends.map((offered) => visibleLine(offered.id)).join(', ')
    return [{ backend: unusable(runner, `its runner offers ${said}`) }]
  } catch (error) {
    return [{ backend: unusable(runner, messageOf(error)) }]
  }
}

/** What stands for an installed backend or a listed program that says nothing of itself. */
function unusable(runner: Extract<Runner, { id: string } | { program: string }>, reason: string): BackendDescription {
  const said = { status: 'unavailable' as const, reason: reason.slice(0, 1000), kernels: [], knobs: [] }
  if ('program' in runner) {
    const add = 'add' in runner ? runner.add : 'bitfleet programs'
    return { id: runner.program, title: 'A listed program that cannot be run', ...said, add }
  }
  const { id } = runner
  const add = `bitfleet backends remove ${id} && bitfleet backends add ${id}`
  return { id, title: 'An installed backend that cannot be used', ...said, add }
}

/**
 * What a runner says of its backends.
 *
 * @throws `usage`, `internal`, `limit`, `system` where it cannot say
 */
export async function askRunner(
  runner: RunnerCommand,
  environment: RunnerConfig['environment'],
): Promise<BackendDescription[]> {
  const { executable, argv } = launchOf(runner, { command: ['describe'] })
  const child = spawn(executable, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...runnerStart(environment, [], {}, tmpdir(), runner.environment).environment },
  })
  let refused: string | undefined
  const refuse = (reason: string) => {
    refused ??= reason
    child.kill('SIGKILL')
    // What it started may hold the other ends.
    child.stdout.destroy()
    child.stderr.destroy()
  }
  const timer = setTimeout(() => refuse(`took over ${describeMs / 1000} s`), describeMs)
  const ending = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new BitfleetError('system', `its runner cannot be started: ${messageOf(cause)}`, { cause })),
    )
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal))
  })
  const tooMuch = () => refuse(`said more than ${maxDescriptionBytes} bytes`)
  const [ended, stdout, stderr] = await Promise.all([
    ending,
    readAtMost(child.stdout, tooMuch),
    readAtMost(child.stderr, tooMuch),
  ]).finally(() => clearTimeout(timer))
  if (refused !== undefined) throw new BitfleetError('limit', `its runner ${refused} to describe its backends`)
  if (ended !== 0) {
    throw new BitfleetError(
      ended === 2 ? 'usage' : 'internal',
      `this agent's runner cannot describe its backends (it ended with ${ended}): ${stderr.trim()}`,
    )
  }
  try {
    return z.array(backendDescriptionSchema).parse(JSON.parse(stdout))
  } catch (cause) {
    throw new BitfleetError('internal', `this agent's runner describes backends that cannot be: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** All that a stream gives, up to the bound; what destroys it ends it. */
async function readAtMost(stream: Readable, tooMuch: () => void): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  stream.on('error', () => {})
  stream.on('data', (piece: Buffer) => {
    bytes += piece.byteLength
    if (bytes > maxDescriptionBytes) tooMuch()
    else pieces.push(piece)
  })
  await new Promise((resolve) => stream.once('close', resolve))
  return Buffer.concat(pieces).toString('utf8')
}
