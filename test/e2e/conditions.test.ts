import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { needs } from '../needs.ts'
import { bitfleet, cleanUp, folder, runPlan } from './bitfleet.ts'

// What a knob, a library and an affinity do to the report. One machine's own libraries, by real processes.

afterAll(cleanUp)

const install = 'bash deploy/tests/install.sh'

async function ready(): Promise<Set<string>> {
  const { stdout } = await bitfleet(['backends', '--json'])
  const rows = JSON.parse(stdout) as { id: string; status: string }[]
  return new Set(rows.filter(({ status }) => status === 'ready').map(({ id }) => id))
}
const backends = await ready()

describe('bitfleet backends', () => {
  it('lists what is ready, and for the rest why not and what adds it', async () => {
    expect([...backends]).toEqual(expect.arrayContaining(['js', 'tfjs-cpu', 'tfjs-wasm']))
    const { stdout, code } = await bitfleet(['backends', '--json'])
    expect(code).toBe(0)
    for (const row of JSON.parse(stdout) as Record<string, string>[]) {
      if (row.status !== 'ready') expect(row).toMatchObject({ reason: expect.any(String), add: expect.any(String) })
    }
  })
})

describe('OpenBLAS', () => {
  const avx512 = needs('OpenBLAS as SkylakeX', hasFlag('avx512f'), 'this processor has no AVX-512')
  const absent = needs('OpenBLAS by core types', backends.has('openblas'), 'libopenblas is not installed', install)

  it('differs in gemm between Haswell and SkylakeX, and the report names the core type', async (context) => {
    if (absent || avx512) context.skip()
    const { report, code } = await runPlan(`
name: core types
seed: 42
workloads:
  - linalg.gemm: { dtype: f32, n: 128, data: centred }
factors:
  backend: [openblas]
  openblas.coreType: [Haswell, SkylakeX]
  openblas.threads: [1]
`)
    expect(code).toBe(1)
    const comparison = report.comparisons[0]
    expect(comparison?.verdict).toBe('divergent')
    expect(comparison?.classes).toHaveLength(2)
    expect(report.cells.map(({ condition }) => [condition.effective.coreType, condition.label])).toEqual([
      ['Haswell', 'override'],
      ['SkylakeX', 'override'],
    ])
    const [best] = comparison?.explanations ?? []
    expect([...(best?.facts ?? []), ...Object.values(best?.inseparable ?? {}).flat()]).toContain(
      'knob.openblas.coreType',
    )
    expect(comparison?.divergences[0]?.bits?.[0]).toMatch(/^[0-9a-f]{8}$/)
  })

  it('shows the core type that it took in place of one that it does not have', async (context) => {
    if (absent) context.skip()
    const { report } = await runPlan(`
name: ignored
seed: 42
workloads:
  - linalg.gemm: { dtype: f32, n: 32, data: centred }
factors:
  backend: [openblas]
  openblas.coreType: [~, Pentium9]
`)
    const ignored = report.cells.find(({ condition }) => condition.knobs.coreType === 'Pentium9')
    expect(ignored?.status).toBe('completed')
    const left = report.cells.find(({ condition }) => condition.knobs.coreType === undefined)
    expect(left?.condition.effective.coreType).toMatch(/^\w+$/)
    expect(ignored?.condition.effective.coreType).toMatch(/^(?!Pentium9)\w+$/)
  })
})

describe('the C library', () => {
  it('ignores a tunable of another name, and the report says what was in force', async (context) => {
    if (needs('GLIBC_TUNABLES', backends.has('libm') && hasFlag('fma'), 'no glibc on x86-64 with FMA')) context.skip()
    const { report } = await runPlan(`
name: tunables
seed: 42
workloads:
  - elementary.exp: { dtype: f64, n: 4096 }
factors:
  backend: [libm]
  libm.hwcaps: [~, "-FMA", "-FMA_Usable"]
`)
    expect(report.cells.map(({ condition }) => [condition.knobs.hwcaps, condition.effective.hwcaps])).toEqual([
      [undefined, 'native'],
      ['-FMA', '-FMA'],
      ['-FMA_Usable', 'native'],
    ])
    expect(report.comparisons[0]?.classes.map(({ cells }) => cells.length)).toEqual([2, 1])
  })
})

describe('the environment of an agent', () => {
  const plan = `
name: ambient
seed: 42
workloads:
  - elementary.exp: { dtype: f64, n: 4096 }
factors:
  backend: [js]
`
  const env = { OPENBLAS_CORETYPE: 'Haswell', OMP_NUM_THREADS: '1' }
  const labels = ({ cells }: Awaited<ReturnType<typeof runPlan>>['report']) =>
    cells.map(({ condition }) => condition.label)

  it('makes an override if it selects a code path, and the report names the variable', async () => {
    const { report } = await runPlan(plan, { env })
    expect(labels(report)).toEqual(['override'])
    expect(report.agents[0]?.facts).toMatchObject({ 'env.OPENBLAS_CORETYPE': 'Haswell', 'env.OMP_NUM_THREADS': '1' })
    expect(report.cells[0]?.notes).toEqual([
      {
        ...{ kind: 'environment', subject: 'OPENBLAS_CORETYPE' },
        message: expect.stringContaining('OPENBLAS_CORETYPE=Haswell') as string,
      },
    ])
  })

  it('is kept from what computes by --clean, which says so', async () => {
    const { report, stderr } = await runPlan(plan, { env, argv: ['--clean'] })
    expect(labels(report)).toEqual(['native'])
    expect(report.cells[0]?.notes).toEqual([])
    expect(Object.keys(report.agents[0]?.facts ?? {}).filter((key) => key.startsWith('env.'))).toEqual([])
    expect(stderr).toContain('--clean keeps from what computes: OPENBLAS_CORETYPE=Haswell, OMP_NUM_THREADS=1')
  })
})

describe('bitfleet doctor', () => {
  const warningOf = async (env: Record<string, string>) => {
    const { stdout } = await bitfleet(['doctor', '--json'], { env })
    const checks = JSON.parse(stdout) as { name: string; status: string; fact: string; remedy?: string }[]
    return checks.filter(({ name }) => name.startsWith('environment'))
  }

  it('warns of a variable that selects a code path, with its value and the way to remove it', async () => {
    const [warning, ...others] = await warningOf({ OPENBLAS_CORETYPE: 'Haswell' })
    expect(others).toEqual([])
    expect(warning).toMatchObject({
      ...{ name: 'environment OPENBLAS_CORETYPE', status: 'warn', fact: expect.stringContaining('=Haswell') as string },
      remedy: 'unset OPENBLAS_CORETYPE, or start with --clean',
    })
    expect(await warningOf({})).toMatchObject([{ name: 'environment', status: 'ok' }])
  })
})

describe('affinity', () => {
  const plan = `
name: affinity
seed: 42
workloads:
  - reduce.sum: { dtype: f32, n: 1024, data: uniform }
factors:
  backend: [js]
`

  it('is a differing fact between two runs of one plan', async (context) => {
    if (needs('affinity', (await cores()) > 1, 'one processor only')) context.skip()
    const free = await runPlan(plan)
    const bound = await runPlan(plan, { prefix: ['taskset', '-c', '0'] })
    const { stdout, code } = await bitfleet(['diff', free.out, bound.out])
    expect(code).toBe(0)
    expect(stdout).toContain('cpu.affinity')
    const { stdout: json } = await bitfleet(['diff', free.out, bound.out, '--json'])
    expect(json).toContain('cpu.affinity')
  })
})

describe('a plan that is wrong', () => {
  it('is refused with its line before anything is started', async () => {
    const out = folder()
    const error: unknown = await runPlan('name: x\nworkloads:\n  - reduce.sun: {}\nfactors: { backend: [js] }\n', {
      out,
    }).catch((caught: unknown) => caught)
    expect(String(error)).toMatch(/plan\.yaml:3: there is no workload "reduce\.sun"/)
  })
})

async function cores(): Promise<number> {
  const { availableParallelism } = await import('node:os')
  return availableParallelism()
}

function hasFlag(flag: string): boolean {
  return flags().has(flag)
}

function flags(): Set<string> {
  const [line = ''] = /^flags\s*:.*$/m.exec(cpuinfo()) ?? []
  return new Set(line.split(/\s+/))
}

function cpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8')
  } catch {
    return ''
  }
}
