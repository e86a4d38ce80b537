import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Readable, Writable } from 'node:stream'
import type { Backend, BackendDriver } from '../agent/backends/backend.ts'
import { runnerStart } from '../agent/daemon/runner-environment.ts'
import { type RunnerCommand, installedCommand } from '../agent/daemon/runners.ts'
import { settingsOf } from '../agent/daemon/settings.ts'
import { entryPoint } from '../shared/entry-point.ts'
import { readInstalled } from '../agent/provision/installed.ts'
import { type RunnerEvent, runnerEventSchema } from '../agent/runner/protocol.ts'
import { type BackendDescription, backendDescriptionSchema, backendName } from '../shared/backend-description.ts'
import type { Knobs } from '../shared/condition.ts'
import { digestOf } from '../shared/digest.ts'
import type { Setting } from '../shared/execution.ts'
import { type Tensor, createTensor } from '../shared/tensor.ts'
import { findDescription } from '../workloads/catalogue.ts'
import { type Kernels, type Unsupported, unsupported } from '../workloads/kernels.ts'
import { python } from './python.ts'

// The runner of Python's libraries, spoken to as the daemon does.

const script = resolve(import.meta.dirname, '../agent/runners/python/bitfleet_runner.py')
const site = resolve(import.meta.dirname, '../.test-tools/python')

/** A library of Python that tests may use, and how its runner is started. */
export interface PythonBackend {
  /** As conditions name it. */
  readonly id: string
  readonly command: RunnerCommand
}

/** NumPy as deploy/tests adds it. */
export const testNumpy: PythonBackend = {
  id: 'numpy',
  command: { executable: python, argv: ['-I', '-S', '-B', script, 'numpy', '--site', site] },
}

/** Those that a person added to the state folder that `BITFLEET_TEST_STATE` names, by the library's name. */
export function addedPython(name: 'numpy' | 'pytorch' | 'jax'): PythonBackend[] {
  const state = process.env.BITFLEET_TEST_STATE ?? ''
  return readInstalled(state === '' ? [] : [join(resolve(state), 'backends')]).flatMap((entry) =>
    entry.status === 'installed' && backendName(entry.id) === name
      ? [
          {
            id: entry.id,
            command: installedCommand(
              entry.installed.runner,
              entry.folder,
              entryPoint(import.meta.url, '../agent/runner/main.ts'),
            ),
          },
        ]
      : [],
  )
}

export function describePython({ command }: PythonBackend): BackendDescription {
  const { stdout, stderr, status } = spawnSync(command.executable, [...command.argv, 'describe'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`describe ended with ${status}: ${stderr}`)
  const [description] = JSON.parse(stdout) as unknown[]
  return backendDescriptionSchema.parse(description)
}

export interface Asked {
  readonly workload: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly seed?: string
  readonly knobs?: Knobs
  /** Of the agent's environment. */
  readonly variables?: Readonly<Record<string, string>>
  readonly inputs?: readonly Tensor[]
  readonly keepBytes?: number
  /** In place of the whole request. */
  readonly line?: string
}

export interface Told {
  readonly events: readonly RunnerEvent[]
  readonly code: number | null
  readonly checkpoints: readonly (Extract<RunnerEvent, { type: 'checkpoint' }> & { readonly bytes?: Uint8Array })[]
  /** The last of each. */
  readonly settings: Readonly<Record<string, string>>
  /** What the agent makes of them, by knob. */
  readonly states: Readonly<Record<string, Setting>>
  readonly facts: Readonly<Record<string, string>>
  readonly notes: readonly { kind: string; subject: string; message: string }[]
  readonly mapped: readonly string[]
  readonly last: RunnerEvent | undefined
  readonly log: string
}

/** One execution, in a process of its own, under its knobs. */
export async function askPython(backend: PythonBackend, asked: Asked): Promise<Told> {
  const folder = mkdtempSync(join(tmpdir(), 'bitfleet-python-'))
  try {
    return await speak(backend, asked, folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function speak(
  { id, command }: PythonBackend,
  { workload, params = {}, seed = '42', knobs = {}, variables = {}, inputs = [], keepBytes = 1 << 28, line }: Asked,
  folder: string,
): Promise<Told> {
  const { knobs: described } = description({ id, command })
  const { environment } = runnerStart(
    { PATH: process.env.PATH, HOME: process.env.HOME, ...variables },
    described,
    knobs,
    folder,
    command.environment,
  )
  const request = {
    ...{ protocol: 1, workload, workloadVersion: findDescription(workload)?.version ?? 1, params, seed },
    condition: { backend: id, device: 'cpu', knobs },
    inputs: inputs.map(({ bytes, dtype, shape }, i) => {
      const file = join(folder, `input-${i}`)
      writeFileSync(file, bytes)
      return { digest: digestOf(bytes), dtype, shape, file }
    }),
    scratch: mkdtempSync(join(folder, 'tensors-')),
    keepBytes,
  }
  const child = spawn(command.executable, command.argv, {
    cwd: folder,
    env: { ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    timeout: 170_000,
    killSignal: 'SIGKILL',
  })
  const [, stdout, stderr, input, output] = child.stdio as unknown as [null, Readable, Readable, Writable, Readable]
  input.on('error', () => {})
  input.end(line ?? `${JSON.stringify(request)}\n`)
  const [lines, out, err, code] = await Promise.all([
    text(output),
    text(stdout),
    text(stderr),
    new Promise<number | null>((done) => child.once('close', done)),
  ])
  const events = lines
    .split('\n')
    .slice(0, -1)
    .map((event) => runnerEventSchema.parse(JSON.parse(event)))
  const effective = events.filter((event) => event.type === 'effective')
  const settings = Object.assign({}, ...effective.map((event) => event.settings)) as Record<string, string>
  return {
    ...{ events, code, log: out + err, last: events.at(-1) },
    checkpoints: events
      .filter((event) => event.type === 'checkpoint')
      .map((event) => ({
        ...event,
        bytes: event.file === undefined ? undefined : new Uint8Array(readFileSync(join(request.scratch, event.file))),
      })),
    settings,
    states: settingsOf(knobs, { settings, reasons: effective.at(-1)?.reasons ?? {}, notes: [] }).settings,
    facts: Object.assign({}, ...effective.map(({ facts }) => facts)) as Record<string, string>,
    notes: effective.at(-1)?.notes ?? [],
    mapped: effective.at(-1)?.mapped ?? [],
  }
}

const known = new Map<string, BackendDescription>()
function description(backend: PythonBackend): BackendDescription {
  const found = known.get(backend.id) ?? describePython(backend)
  known.set(backend.id, found)
  return found
}

/** The same as a driver, for the contract suite: every call of a kernel is an execution of its own. */
export function pythonDriver(backend: PythonBackend): BackendDriver {
  const { id, title, knobs, kernels, ...detected } = description(backend)
  const call = async (workload: string, operands: readonly Tensor[]): Promise<Tensor | Unsupported> => {
    const [x, y] = operands.map(({ bytes }, i) => ({ file: `${i}.npy`, digest: digestOf(bytes) }))
    const params = { dtype: operands[0]?.dtype, input: x, ...(y === undefined ? {} : { inputB: y }) }
    const told = await askPython(backend, { workload, params, inputs: operands })
    if (told.last?.type === 'unsupported') return unsupported(told.last.reason)
    const result = told.checkpoints.at(-1)
    if (told.last?.type !== 'finished' || result?.bytes === undefined) throw new Error(JSON.stringify(told.last))
    return createTensor(result.dtype, result.shape, result.bytes)
  }
  const all: Partial<Kernels> = {
    sum: (x) => call('reduce.sum', [x]),
    dot: (x, y) => call('reduce.dot', [x, y]),
    norm2: (x) => call('reduce.norm2', [x]),
    gemv: (a, x) => call('linalg.gemv', [a, x]),
    gemm: (a, b) => call('linalg.gemm', [a, b]),
    elementary: (name, x, y) => call(`elementary.${name}`, y === undefined ? [x] : [x, y]),
    softmax: (x) => call('nn.softmax', [x]),
    conv2d: (x, kernel) => call('nn.conv2d', [x, kernel]),
  }
  return {
    ...{ id, title, knobs },
    // Gain and bias of a layer's normalisation are drawn; a plan can give none.
    kernels: kernels.filter((name) => name !== 'layernorm'),
    detect: () => Promise.resolve(detected),
    async open(): Promise<Backend> {
      const told = await askPython(backend, { workload: 'reduce.sum', params: { n: 1 } })
      const started = told.events.find((event) => event.type === 'started')
      return {
        version: started?.version ?? '',
        kernels: all,
        effective: () => Promise.resolve({ settings: told.settings, facts: told.facts, notes: [] }),
        close: () => Promise.resolve(),
      }
    },
  }
}
