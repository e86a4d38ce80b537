import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Knobs } from '../../shared/condition.ts'
import type { Execution } from '../../shared/execution.ts'
import { needs } from '../../test/needs.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import { openArtifactCache } from './artifact-cache.ts'
import { offersOf } from './describe.ts'
import { type ExecutionContext, runExecution } from './execution.ts'
import { createLibraryDigests } from './library-digests.ts'

// What executions of real libraries say of their settings, of the agent's environment and of what they substitute.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-libraries-'))
const environment = { PATH: process.env.PATH, HOME: folder }
const offers = await offersOf({ runnerModules: [], environment })
const has = (id: string) => offers.some(({ backend }) => backend.id === id && backend.status === 'ready')
const install = 'bash deploy/tests/install.sh'
const x64 = process.arch === 'x64'
const noOpenblas = needs('settings of OpenBLAS', has('openblas') && x64, 'libopenblas is not installed here', install)
const noTunables = needs('settings of glibc', has('libm') && x64 && process.platform === 'linux', 'no glibc on x86-64')
let context: ExecutionContext

beforeAll(() => {
  const cache = openArtifactCache(join(folder, 'cache'), 1 << 30)
  const scratchRoot = join(folder, 'scratch')
  context = { offers, environment, scratchRoot, cache, libraryDigests: createLibraryDigests(), keepBytes: 1 << 20 }
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Asked {
  readonly workload: string
  readonly params?: Record<string, unknown>
  readonly knobs?: Knobs
  /** Added to the agent's environment. */
  readonly variables?: Record<string, string>
}

async function run(backend: string, { workload, params = {}, knobs = {}, variables = {} }: Asked): Promise<Execution> {
  const { execution } = await runExecution(
    {
      ...{ id: 'j', attempt: 1, run: 'r', cell: 'c', repetition: 0, workload, params, seed: '42', inputs: [] },
      workloadVersion: findDescription(workload)?.version ?? 1,
      condition: { backend, device: 'cpu', knobs },
      limits: { timeMs: 60_000, memoryBytes: 2 ** 32 },
    },
    new Map(),
    { ...context, environment: { ...environment, ...variables } },
  )
  expect(execution.outcome).toEqual({ status: 'completed' })
  return execution
}
const subjects = ({ notes }: Execution, kind: string) =>
  notes.filter((note) => note.kind === kind).map(({ subject }) => subject)

describe.skipIf(noOpenblas)('OpenBLAS', () => {
  const gemm = (knobs: Knobs, variables = {}) =>
    run('openblas', { workload: 'linalg.gemm', params: { n: 16 }, knobs: { threads: 1, ...knobs }, variables })

  it('says its core type, left out, asked for, and asked for in vain', async () => {
    const left = await gemm({})
    const asked = await gemm({ coreType: 'haswell' })
    const vain = await gemm({ coreType: 'NEOVERSEN1' })
    expect(left.effective.coreType).toMatch(/^[A-Z]\w+$/)
    expect(left.settings).toEqual({ threads: { state: 'in force' } })
    expect(asked.settings?.coreType).toEqual({ state: 'in force' })
    expect(vain.settings?.coreType).toMatchObject({ state: 'replaced', by: vain.effective.coreType })
    expect(vain.effective.coreType).not.toBe('NEOVERSEN1')
    expect([left, asked, vain].map(({ label }) => label)).toEqual(['native', 'override', 'override'])
  })

  it('under a core type that the environment chose is an override, and the variable is named', async () => {
    const execution = await gemm({}, { OPENBLAS_CORETYPE: 'Haswell' })
    expect(execution).toMatchObject({
      ...{ label: 'override', effective: { coreType: 'Haswell' }, ambient: { OPENBLAS_CORETYPE: 'Haswell' } },
    })
    expect(subjects(execution, 'environment')).toEqual(['OPENBLAS_CORETYPE'])
    const native = await gemm({})
    expect([native.label, native.ambient, native.notes]).toEqual(['native', {}, []])
  })
})

describe.skipIf(noTunables)("glibc's tunables", () => {
  const exp = (knobs: Knobs, variables = {}) =>
    run('libm', { workload: 'elementary.exp', params: { n: 16, dtype: 'f64' }, knobs, variables })

  it('that glibc does not know are replaced by what it uses', async () => {
    expect((await exp({})).effective.hwcaps).toBe('native')
    expect((await exp({ hwcaps: '-FMA' })).settings).toEqual({ hwcaps: { state: 'in force' } })
    expect((await exp({ hwcaps: '-FMA_Usable' })).settings?.hwcaps).toMatchObject({ state: 'replaced', by: 'native' })
  })

  it('of the environment are in force, named, and make an override; other tunables do not', async () => {
    const hidden = await exp({}, { GLIBC_TUNABLES: 'glibc.malloc.arena_max=1:glibc.cpu.hwcaps=-FMA' })
    expect(hidden).toMatchObject({
      ...{ label: 'override', ambient: { GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA' } },
      facts: { 'env.GLIBC_TUNABLES': 'glibc.cpu.hwcaps=-FMA' },
    })
    expect(hidden.effective.hwcaps).toContain('-FMA')
    expect(subjects(hidden, 'environment')).toEqual(['GLIBC_TUNABLES'])
    const other = await exp({}, { GLIBC_TUNABLES: 'glibc.malloc.arena_max=1' })
    expect([other.label, other.ambient, other.notes]).toEqual(['native', {}, []])
  })
})

describe('a kernel that is made of other operations', () => {
  it.each(['tfjs-wasm', 'tfjs-cpu'])('is noted of a convolution that %s trains', async (backend) => {
    const { notes } = await run(backend, { workload: 'train.cnn', params: { steps: 1, channels: 2 } })
    expect(notes).toEqual([
      {
        ...{ kind: 'fallback', subject: 'Conv2DBackpropFilter' },
        message: `tfjs-wasm lacks this kernel, so every backend of tfjs computes the filter's gradient as conv2d of transposed inputs`,
      },
    ])
  })

  it('is not noted where it is not used', async () => {
    expect((await run('tfjs-wasm', { workload: 'train.mlp', params: { steps: 1 } })).notes).toEqual([])
    expect((await run('tfjs-wasm', { workload: 'nn.softmax', params: { rows: 2, n: 4 } })).notes).toEqual([])
    const layernorm = await run('tfjs-wasm', { workload: 'nn.layernorm', params: { rows: 2, n: 4 } })
    expect(subjects(layernorm, 'fallback')).toEqual(['layernorm'])
  })
})
