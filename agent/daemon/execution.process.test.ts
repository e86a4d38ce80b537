import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { arrayKey, distinctArrays } from '../../shared/array-identity.ts'
import type { BackendDescription } from '../../shared/backend-description.ts'
import type { Knobs } from '../../shared/condition.ts'
import { digestOf } from '../../shared/digest.ts'
import { type Execution, executionSchema } from '../../shared/execution.ts'
import type { PlannedJob } from '../../shared/messages.ts'
import { bytesOf, createTensor, type Tensor } from '../../shared/tensor.ts'
import { parseTrace } from '../../shared/trace.ts'
import { hostileTensors } from '../../test/hostile-bits.ts'
import { openArtifactCache } from './artifact-cache.ts'
import { offersOf } from './describe.ts'
import { type ExecutionContext, type ExecutionResult, runExecution } from './execution.ts'
import { createLibraryDigests } from './library-digests.ts'
import { needs } from '../../test/needs.ts'

// Real runner processes, started from dist; what they do wrong is in test/fixtures/runner-modules.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const modules = ['faulty', 'misbehaving', 'workloads'].map((name) =>
  join(import.meta.dirname, `../../test/fixtures/runner-modules/${name}.mjs`),
)
const folder = mkdtempSync(join(tmpdir(), 'bitfleet-execution-'))
const scratchRoot = join(folder, 'scratch')
const environment = {
  PATH: process.env.PATH,
  HOME: folder,
  BITFLEET_TOKEN: 'the-agents-secret',
  AWS_SECRET_ACCESS_KEY: 'another-secret',
  NODE_OPTIONS: '--no-such-option',
  OMP_NUM_THREADS: '3',
  LD_PRELOAD: '/nowhere.so',
}
const config = { runnerModules: modules, environment }
const cache = openArtifactCache(join(folder, 'cache'), 1 << 30)
let context: ExecutionContext

beforeAll(async () => {
  context = {
    offers: await offersOf(config),
    environment,
    scratchRoot,
    cache,
    libraryDigests: createLibraryDigests(),
    keepBytes: 1 << 28,
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

const addends = createTensor('f32', [4], bytesOf(Float32Array.of(1, 2 ** -24, 2 ** -24, 2 ** -23)))

function job(backend: string, knobs: Knobs = {}, changes: Partial<PlannedJob> = {}): PlannedJob {
  return {
    id: 'j',
    attempt: 1,
    run: 'r',
    cell: 'c',
    repetition: 0,
    workload: 'reduce.sum',
    workloadVersion: 1,
    params: { dtype: 'f32', input: { file: 'u.npy', digest: digestOf(addends.bytes) } },
    seed: '42',
    condition: { backend, device: 'cpu', knobs },
    inputs: [{ digest: digestOf(addends.bytes), dtype: 'f32', shape: [4] }],
    limits: { timeMs: 60_000, memoryBytes: 2 ** 32 },
    ...changes,
  }
}

function inputsOf(tensors: readonly Tensor[]): ReadonlyMap<string, Uint8Array> {
  return new Map(tensors.map(({ bytes }) => [digestOf(bytes), bytes]))
}

async function execute(
  asked: PlannedJob,
  tensors: readonly Tensor[] = [addends],
  changes: Partial<ExecutionContext> = {},
) {
  const result = await runExecution(asked, inputsOf(tensors), { ...context, ...changes })
  executionSchema.parse(result.execution)
  expect(readdirSync(scratchRoot)).toEqual([])
  return result
}

const misbehave = (deed: string, changes: Partial<PlannedJob> = {}) => execute(job('misbehaving', { deed }, changes))

function outputBits({ execution }: ExecutionResult) {
  return execution.outputs.map(({ bits }) => bits)
}

describe('an execution that goes well', () => {
  it('brings a trace, outputs with their bits, and tensors into the cache', async () => {
    const result = await execute(job('plain'))
    const { execution, trace, kept } = result
    expect(execution).toMatchObject({ outcome: { status: 'completed' }, version: '1', label: 'native' })
    expect([execution.settings, execution.ambient]).toEqual([{}, { OMP_NUM_THREADS: '3' }])
    expect(outputBits(result)).toEqual([['3f800001']])
    const parsed = parseTrace(trace as string)
    expect(parsed.digest).toBe(execution.trace)
    expect(parsed.checkpoints.map(({ name }) => name)).toEqual(['input', 'sum'])
    expect(kept.map(({ digest }) => digest)).toEqual(parsed.checkpoints.map(({ digest }) => digest))
    expect(await cache.read(digestOf(addends.bytes))).toEqual(addends.bytes)
    expect(execution.resources.cpuMs).toBeGreaterThan(0)
    expect(execution.resources.maxRssBytes).toBeGreaterThan(1 << 20)
  })

  it('is the same trace again, and another with a flipped bit or a swapped order', async () => {
    const traces = new Map<string, string | undefined>()
    for (const backend of ['plain', 'flipped-bit', 'swapped-order'])
      traces.set(backend, (await execute(job(backend))).execution.trace)
    expect((await execute(job('plain'))).execution.trace).toBe(traces.get('plain'))
    expect(new Set(traces.values()).size).toBe(3)
  })

  it('says what it ran under', async () => {
    const { facts } = (await execute(job('plain'))).execution
    expect(facts['env.OMP_NUM_THREADS']).toBe('3')
    if (process.platform === 'linux') {
      expect(facts['cpu.affinity']).toMatch(/^[\d,-]+$/)
      expect(
        Object.entries(facts).some(([key, value]) => /^lib\..+\.digest$/.test(key) && value.startsWith('sha256:')),
      ).toBe(true)
    }
    expect(facts).not.toHaveProperty('hostname')
  })

  it('takes hostile bits to the cache unchanged', async () => {
    const tensors = hostileTensors()
    // Some have equal bytes and another shape.
    const inputs = tensors.map(({ dtype, shape, bytes }) => ({ dtype, shape: [...shape], digest: digestOf(bytes) }))
    expect(new Set(inputs.map(({ digest }) => digest)).size).toBeLessThan(new Set(inputs.map(arrayKey)).size)
    const { execution, trace } = await execute(
      job('plain', {}, { workload: 'test.echo', params: { arrays: inputs }, inputs: distinctArrays(inputs) }),
      tensors,
    )
    expect(execution.outcome).toEqual({ status: 'completed' })
    expect(parseTrace(trace as string).checkpoints.map(arrayKey)).toEqual(inputs.map(arrayKey))
    for (const { bytes } of tensors) expect(await cache.read(digestOf(bytes))).toEqual(new Uint8Array(bytes))
  })

  it('digests all, and keeps only what there is room for', async () => {
    const { execution, kept, trace } = await execute(job('plain'), [addends], { keepBytes: 8 })
    expect(execution.outcome.status).toBe('completed')
    expect(parseTrace(trace as string).checkpoints).toHaveLength(2)
    expect(kept.map(({ digest }) => digest)).toEqual([execution.outputs[0]?.digest])
    expect(execution.notes).toContainEqual(expect.objectContaining({ kind: 'limit', subject: 'checkpoints' }))
  })
})

describe('an execution that dies', () => {
  it.each(['SIGKILL', 'SIGILL', 'SIGSEGV'])('is reported with %s', async (signal) => {
    const { execution } = await misbehave(`signal:${signal}`)
    expect(execution.outcome).toMatchObject({ status: 'crashed', signal })
    // What it said before it died stays known.
    expect(execution.effective.deed).toBe(`signal:${signal}`)
    expect(execution.version).toBe('1')
  })

  it('of its time limit', async () => {
    for (const deed of ['sleep', 'spin']) {
      const { execution } = await misbehave(deed, { limits: { timeMs: 1500, memoryBytes: 2 ** 32 } })
      expect(execution.outcome).toMatchObject({ status: 'timed-out', limitMs: 1500 })
    }
  })

  it.skipIf(needs('memory limits of runners', process.platform === 'linux', 'read from /proc'))(
    'of its memory limit, with figures',
    async () => {
      const memoryBytes = 400 << 20
      const { execution } = await misbehave('allocate', { limits: { timeMs: 60_000, memoryBytes } })
      expect(execution.outcome).toMatchObject({ status: 'failed', code: 'limit' })
      expect((execution.outcome as { message: string }).message).toContain(String(memoryBytes))
      expect(execution.resources.maxRssBytes).toBeGreaterThan(memoryBytes)
    },
  )

  it('when it is cancelled, before or while it runs', async () => {
    for (const waitMs of [0, 700]) {
      const controller = new AbortController()
      if (waitMs === 0) controller.abort()
      else setTimeout(() => controller.abort(), waitMs)
      const { execution } = await runExecution(
        job('misbehaving', { deed: 'sleep' }),
        inputsOf([addends]),
        context,
        controller.signal,
      )
      expect(execution.outcome).toEqual({ status: 'cancelled' })
    }
    expect(readdirSync(scratchRoot)).toEqual([])
  })

  it.each([
    ['throw', 'internal', /the kernel broke/],
    ['reject', 'internal', /a callback broke/],
    ['exit:0', 'internal', /code 0/],
    ['exit:7', 'internal', /code 7/],
    ['garbage', 'protocol', /this is/],
    ['endless-line', 'protocol', /over 1048576 bytes/],
  ])('as %s: failed, code %s', async (deed, code, message) => {
    const { execution } = await misbehave(deed)
    expect(execution.outcome).toMatchObject({ status: 'failed', code, message: expect.stringMatching(message) })
    expect(execution).not.toHaveProperty('trace', expect.anything())
    expect(execution.outputs).toEqual([])
  })

  it('is not believed when its bytes have another digest than it claims', async () => {
    const { execution, kept } = await execute(job('lying-digest'))
    expect(execution.outcome).toMatchObject({
      status: 'failed',
      code: 'digest-mismatch',
      message: expect.stringMatching(/input/),
    })
    expect(kept.map(({ digest }) => digest)).toEqual([])
    expect(execution.trace).toBeUndefined()
  })

  it.each(['name', 'step', 'order', 'dtype', 'shape', 'bytes', 'few', 'many'])(
    'when its workload breaks its schema in %s',
    async (how) => {
      const { execution } = await execute(
        job('plain', {}, { workload: 'test.broken', workloadVersion: 2, params: { how }, inputs: [] }),
      )
      expect(execution.outcome).toMatchObject({ status: 'failed', code: 'workload' })
    },
  )
})

describe('a runner', () => {
  it('gets no secret, only what numeric libraries read and its knobs set', async () => {
    const { execution } = await execute(job('misbehaving', { deed: 'environment', ignored: 'on', heap: 'small' }))
    const given = JSON.parse(/^environment (.*)$/m.exec(execution.log)?.[1] ?? '') as Record<string, string>
    expect(Object.keys(given).sort()).toEqual(['HOME', 'OMP_NUM_THREADS', 'OPENBLAS_IGNORED', 'PATH', 'TMPDIR'])
    expect(given.OPENBLAS_IGNORED).toBe('<on>')
    expect(given.TMPDIR?.startsWith(scratchRoot)).toBe(true)
    expect(execution.effective.heap).toBe('--max-old-space-size=64')
    expect(execution.facts['env.OPENBLAS_IGNORED']).toBe('<on>')
  })

  it('may flood its log: its last words stay, without what steers a terminal', async () => {
    const { execution } = await misbehave('flood')
    expect(execution.outcome.status).toBe('completed')
    expect(execution.log.endsWith('last words in red')).toBe(true)
    expect(execution.log.length).toBeLessThan(40_000)
  })

  it('leaves no process behind', async () => {
    const { execution } = await misbehave('orphan')
    expect(execution.outcome.status).toBe('completed')
    const pid = Number(/orphan (\d+)/.exec(execution.log)?.[1])
    expect(pid).toBeGreaterThan(0)
    expect(isRunning(pid)).toBe(false)
  })
})

function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

describe('knobs', () => {
  it('are in force, replaced or unknown, by what the library reads back', async () => {
    const { execution } = await execute(job('misbehaving', { deed: 'none', ignored: 'on', heap: 'small' }))
    expect(execution.settings).toEqual({
      deed: { state: 'in force' },
      ignored: { state: 'unknown' },
      heap: { state: 'replaced', by: '--max-old-space-size=64' },
    })
    expect(execution.notes.map(({ kind }) => kind)).not.toContain('no-effect')
  })

  it('are unknown if the library died before it read them back', async () => {
    const { execution } = await misbehave('exit:7', { workload: 'no.such-workload' })
    expect(execution.settings).toEqual({
      deed: { state: 'unknown', why: 'it was not read back before the execution ended' },
    })
  })

  it("that choose another processor's path make an override", async () => {
    const { execution } = await execute(job('misbehaving', { path: 'Nehalem' }))
    expect(execution).toMatchObject({
      ...{ label: 'override', effective: { path: 'Nehalem' }, settings: { path: { state: 'in force' } } },
      ambient: { OMP_NUM_THREADS: '3' },
    })
  })

  it('that a backend does not have are refused', async () => {
    const { execution } = await execute(job('plain', { order: 'reverse' }))
    expect(execution.outcome).toMatchObject({ status: 'failed', code: 'usage' })
  })
})

describe("the agent's environment", () => {
  const under = async (more: Record<string, string>, knobs: Knobs = {}) =>
    (await execute(job('misbehaving', knobs), [addends], { environment: { ...environment, ...more } })).execution
  const about = ({ notes }: Execution) => notes.filter(({ kind }) => kind === 'environment')

  it('makes an override if it selects a code path, and is named', async () => {
    const execution = await under({ OPENBLAS_CORETYPE: 'Haswell', GLIBC_TUNABLES: 'glibc.malloc.check=0' })
    expect(execution).toMatchObject({
      ...{ label: 'override', ambient: { OMP_NUM_THREADS: '3', OPENBLAS_CORETYPE: 'Haswell' } },
      ...{ effective: { path: 'Haswell' }, facts: { 'env.OPENBLAS_CORETYPE': 'Haswell' } },
    })
    expect(execution.ambient).not.toHaveProperty('GLIBC_TUNABLES')
    expect(about(execution).map(({ subject }) => subject)).toEqual(['OPENBLAS_CORETYPE', 'LD_PRELOAD'])
    expect(about(execution)[0]?.message).toContain('OPENBLAS_CORETYPE=Haswell')
    expect(about(execution)[1]?.message).toContain('its runners do not get this variable')
  })

  it('says nothing of a variable that a knob sets in its place', async () => {
    const execution = await under({ OPENBLAS_CORETYPE: 'Haswell' }, { path: 'Nehalem' })
    expect(execution.ambient).toEqual({ OMP_NUM_THREADS: '3' })
    expect(about(execution).map(({ subject }) => subject)).toEqual(['LD_PRELOAD'])
  })

  it('leaves the label if it chooses threads or libraries only', async () => {
    const execution = await under({ LD_LIBRARY_PATH: '/opt/lib' })
    expect(execution).toMatchObject({
      ...{ label: 'native', ambient: { OMP_NUM_THREADS: '3', LD_LIBRARY_PATH: '/opt/lib' } },
      facts: { 'env.LD_LIBRARY_PATH': '/opt/lib' },
    })
  })
})

describe('what is not there', () => {
  it('is unsupported and says why', async () => {
    expect((await execute(job('jax'))).execution.outcome).toMatchObject({ status: 'unsupported' })
    expect((await execute(job('detect-dies'))).execution.outcome).toMatchObject({
      status: 'unsupported',
      reason: expect.stringMatching(/SIGILL/),
    })
    expect((await execute(job('plain', {}, { workloadVersion: 99 }))).execution.outcome).toMatchObject({
      status: 'unsupported',
      reason: expect.stringMatching(/version 99/),
    })
    expect((await execute(job('plain', {}, { workload: 'reduce.norm2' }))).execution.outcome).toMatchObject({
      status: 'unsupported',
      reason: expect.stringMatching(/norm2/),
    })
    const gpu = job('plain')
    expect((await execute({ ...gpu, condition: { ...gpu.condition, device: 'gpu-0' } })).execution.outcome.status).toBe(
      'unsupported',
    )
  })

  it('an input that did not arrive is a failure that names it', async () => {
    const { execution } = await execute(job('plain'), [])
    expect(execution.outcome).toMatchObject({ status: 'failed', code: 'not-found' })
  })

  it('a backend hidden by another that dies when looked for is still found', () => {
    const byId = new Map(context.offers.map(({ backend }): [string, BackendDescription] => [backend.id, backend]))
    expect(byId.get('misbehaving')?.status).toBe('ready')
    expect(byId.get('detect-throws')).toMatchObject({
      status: 'unavailable',
      reason: expect.stringMatching(/no such library/),
    })
    expect(byId.get('detect-dies')).toMatchObject({ status: 'unavailable', reason: expect.stringMatching(/SIGILL/) })
    expect(byId.get('detect-leaves')).toMatchObject({ status: 'unavailable', reason: expect.stringMatching(/code 3/) })
  })
})
