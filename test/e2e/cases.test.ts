import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { needs } from '../needs.ts'
import { bitfleet, cleanUp } from './bitfleet.ts'
import {
  type CaseRun,
  expectInAll,
  expectInNone,
  expectInWords,
  expectSentence,
  fixtures,
  folderOf,
  hasFlag,
  isReady,
  runCase,
  withoutOpenblas,
} from './cases.ts'

// The cases of test/fixtures/cases that need no program: the right answer in every form of the report.

afterAll(cleanUp)

const completedOf = ({ report }: CaseRun) => report.cells.filter(({ status }) => status === 'completed')
const labelsOf = (run: CaseRun) => completedOf(run).map(({ condition }) => condition.label)
const tracesOf = (run: CaseRun) => completedOf(run).map(({ traces }) => traces[0])

describe('variables of the environment that select a code path', () => {
  const plan = `name: what the environment overrides
seed: 7
repetitions: 2
workloads:
  - elementary.exp: { dtype: f64, n: 4096 }
    # OpenBLAS computes no exponential: its cell is inapplicable, and counts nowhere.
    factors: { backend: [libm, openblas] }
  - linalg.gemm: { dtype: f32, n: 128, data: centred }
    factors: { backend: [openblas] }
factors:
  backend: [libm]
`
  const env = {
    NPY_DISABLE_CPU_FEATURES: 'AVX512F AVX512_SKX AVX512_ICL',
    GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA',
    OPENBLAS_CORETYPE: 'Haswell',
  }

  it('make an override, are named, and explain why two reports differ', async (context) => {
    if (needs('case ambient-override', await isReady('libm'), 'no glibc')) context.skip()
    if (await withoutOpenblas('case ambient-override')) context.skip()
    const plain = await runCase(plan)
    const changed = await runCase(plan, { env })
    expect([labelsOf(plain), labelsOf(changed)]).toEqual([
      ['native', 'native'],
      ['override', 'override'],
    ])
    const completed = ({ csv }: CaseRun) => csv.filter(({ status }) => status === 'completed')
    expect([plain, changed].map((run) => completed(run).map(({ label }) => label))).toEqual([
      ['native', 'native'],
      ['override', 'override'],
    ])
    for (const [name, value] of Object.entries(env)) {
      const words = `${name}=${value} was set in the environment of local, not by the plan: it can select another code path, so these conditions are overrides`
      expectInAll(changed, words)
      expectInNone(plain, `${name}=${value} was set`)
      expect(Object.keys(plain.report.agents[0]?.facts ?? {})).not.toContain(`env.${name}`)
      expect(changed.report.findings.notices).toContainEqual(
        expect.objectContaining({ kind: 'environment', subject: name, text: words, cells: 2 }),
      )
      expect(completed(changed).every(({ ambient }) => ambient?.includes(name))).toBe(true)
    }
    expectInWords(changed, '(override)')
    // Neither report compares anything, and neither says that all is identical.
    for (const run of [plain, changed]) {
      expect([run.code, run.report.findings.verdict]).toEqual([3, 'nothing compared'])
      expectInNone(run, 'workloads are identical', 'workloads identical')
    }
    const { stdout } = await bitfleet(['diff', plain.out, changed.out])
    for (const name of Object.keys(env)) expect(stdout).toContain(`env.${name}`)
    if (hasFlag('fma')) expect(tracesOf(changed)[0]).not.toBe(tracesOf(plain)[0])
  })

  it('are what doctor warns of', async () => {
    const { stdout } = await bitfleet(['doctor', '--json'], { env })
    const checks = JSON.parse(stdout) as { name: string; status: string }[]
    const warned = checks.filter(({ name, status }) => name.startsWith('environment ') && status === 'warn')
    expect(warned.map(({ name }) => name.slice('environment '.length)).sort()).toEqual(Object.keys(env).sort())
  })
})

describe('a core type that OpenBLAS does not have', () => {
  it('is replaced by another, and has no effect only if that is the one it takes by itself', async (context) => {
    if (await withoutOpenblas('case of a core type of another processor')) context.skip()
    if (needs('case of a core type of another processor', process.arch === 'x64', 'NEOVERSEN1 is none of x86-64')) {
      context.skip()
    }
    const run = await runCase(`name: another processor's core type
repetitions: 3
workloads:
  - linalg.gemm: { dtype: f32, n: 128, data: centred }
factors:
  backend: [openblas]
  openblas.coreType: [~, NEOVERSEN1]
  openblas.threads: [1]
`)
    const [left, asked] = run.report.cells.map(({ condition }) => condition.effective.coreType)
    expect([left, asked]).toEqual([expect.stringMatching(/^\w+$/), expect.stringMatching(/^(?!NEOVERSEN1)\w+$/)])
    expect(run.csv.map(({ effective }) => effective?.includes(left ?? ''))).toEqual([true, left === asked])
    if (left === asked) {
      expectInAll(run, 'openblas.coreType=NEOVERSEN1 had no effect', `${asked} is in force`)
      expectInNone(run, 'it differs from leaving it out', 'the bits followed')
    } else {
      expectInAll(run, `openblas.coreType=NEOVERSEN1 was replaced by ${asked}`)
      expectInNone(run, 'no effect', 'really one')
    }
  })
})

describe('arrays that differ without a distance', () => {
  const others: Readonly<Record<string, [string, string, string]>> = {
    'arm-sign': ['nan-sign', 'NaN against NaN (sign)', 'largest distance not measured'],
    payload: ['nan-payload', 'NaN against NaN (payload)', 'largest distance not measured'],
    'zero-sign': ['sign-of-zero', 'sign of zero', 'at most 0 ULP'],
    'became-number': ['nan-number', 'NaN against number', 'largest distance not measured'],
  }

  it('are four different things, in words, counts and JSON', async () => {
    const path = (name: string) => join(fixtures, 'nan', `${name}.npy`)
    const summaries = new Set<string>()
    for (const [name, [kind, words, distance]] of Object.entries(others)) {
      const { code, stdout } = await bitfleet(['diff', path('x86'), path(name)])
      expect(code).toBe(1)
      expect(stdout).toContain(`1 of 5 elements differ (20.0 %): ${words}, ${distance}`)
      expect(stdout).toMatch(new RegExp(`by kind:\n +1  ${words.replaceAll(/[()]/g, '\\$&')}\n`))
      summaries.add(stdout.slice(stdout.indexOf('f32[5]'), stdout.indexOf('first difference')))
      const { tensors } = JSON.parse((await bitfleet(['diff', path('x86'), path(name), '--json'])).stdout) as {
        tensors: unknown[]
      }
      const ulp = kind === 'sign-of-zero' ? '0' : null
      expect(tensors).toMatchObject([{ first: { kind, ulp }, statistics: { kinds: { [kind]: 1 }, maxUlp: ulp } }])
    }
    expect(summaries.size).toBe(4)
  })
})

describe('a relative L2 beyond all binary64 numbers', () => {
  it('is infinite, and takes nothing of the other workload with it', async () => {
    const run = await runCase(
      `name: crash2
seed: 1
repetitions: 2
workloads:
  - reduce.sum: { data: uniform, dtype: f32, n: 5 }
  - reduce.sum: { dtype: f64, input: { file: crash2.npy, digest: "sha256:efd3b6865fbdd5801cda690592657e31708dd05d35ccf07e3d226cf4029e9b3a" } }
factors:
  backend: [js]
  js.order: [exact, sequential]
`,
      { cwd: folderOf('infinite') },
    )
    expectSentence(
      run,
      'None of 2 workloads is identical over 2 conditions on 1 machine; 2 differ: reduce.sum data=uniform dtype=f32 n=5 (seen with js.order), reduce.sum dtype=f64 input=crash2.npy (seen with js.order)',
      1,
    )
    const [finite, infinite] = run.report.comparisons
    expect(finite?.divergences[0]).toMatchObject({ ulp: '1', bits: ['401b079e', '401b079f'] })
    expect(infinite?.divergences[0]?.statistics?.relativeL2).toBe('infinite')
    expectInAll(run, '401b079e', '401b079f', '0000000000000001', 'bec0000000000000')
    for (const form of [run.forms.text, run.forms.markdown, run.forms.html]) {
      expect(form).toMatch(/relative L2\s+infinite/i)
    }
    expect(run.csv.map((cell) => [cell.class, cell.differs_bits])).toEqual([
      ['A', ''],
      ['B', '401b079e 401b079f'],
      ['A', ''],
      ['B', '0000000000000001 bec0000000000000'],
    ])
  })
})

describe('arrays of equal bytes', () => {
  const array = (file: string, digest: string) => `{ file: ${file}, digest: "sha256:${digest}" }`
  const softmax = '9e53ee6850a046771be787bf807138599c5c8fb6a3801379bdbb3fe1e1bd4dda'
  const matrix = 'e2c0a71510b5394df7773b63fb5f54372b84c3564e67811bde7d665be227976d'
  const zeros = 'af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc'

  it('are each read with their own shape and dtype, and are rows of their own', async () => {
    const run = await runCase(
      `name: shapes
seed: 1
repetitions: 2
workloads:
  - nn.softmax: { dtype: f32, input: ${array('s28.npy', softmax)} }
  - nn.softmax: { dtype: f32, input: ${array('s44.npy', softmax)} }
  - linalg.gemm: { dtype: f32, input: ${array('A.npy', matrix)}, inputB: ${array('B.npy', matrix)} }
  - reduce.sum: { dtype: f32, input: ${array('z32.npy', zeros)} }
  - reduce.sum: { dtype: f64, input: ${array('z64.npy', zeros)} }
factors:
  backend: [js]
  js.order: [sequential, "lanes:8"]
`,
      { cwd: folderOf('shapes') },
    )
    const outputs = run.report.cells.map(({ outputs: [output] }) => `${output?.dtype}[${output?.shape.join(', ')}]`)
    expect(new Set(outputs)).toEqual(new Set(['f32[2, 8]', 'f32[4, 4]', 'f32[2, 2]', 'f32[]', 'f64[]']))
    expect(run.report.comparisons).toHaveLength(5)
    const [eight, four] = ['s28.npy', 's44.npy'].map((file) =>
      run.report.cells.find(({ params }) => JSON.stringify(params).includes(file)),
    )
    expect(eight?.traces[0]).not.toBe(four?.traces[0])
    expectInAll(run, 'input=s28.npy', 'input=s44.npy', 'input=z32.npy', 'input=z64.npy')
    expect([run.code, run.report.findings.counts.rows.total]).toEqual([run.report.findings.exitCode, 5])
  })
})

describe('tfjs-cpu against tfjs-wasm', () => {
  it('differ by the backend, and not by a setting that only one of them has', async () => {
    const run = await runCase(`name: tfjs backends
workloads:
  - nn.conv2d: { dtype: f32, batch: 2, height: 16, width: 16, channels: 8, kernel: 3, filters: 8, data: normal }
  - nn.softmax: { dtype: f32, rows: 16, n: 1000, data: normal }
  - elementary.tanh: { dtype: f32, n: 4096 }
factors:
  backend: [tfjs-cpu, tfjs-wasm]
  tfjs-wasm.variant: [plain, simd]
  tfjs-wasm.threads: [1]
`)
    expectSentence(
      run,
      'None of 3 workloads is identical over 3 conditions on 1 machine; 3 differ: nn.conv2d by backend, nn.softmax by tfjs-wasm.variant and backend, elementary.tanh by backend',
      1,
    )
    expectInAll(
      run,
      'backend was changed, each value under all its other settings, in 1 trial: the bits followed (tfjs-cpu gives A, tfjs-wasm gives B)',
    )
    // The tests say it all: what was observed would name a setting that only one of the backends has.
    expectInNone(run, 'go along with', 'parts the cells', 'tfjs-wasm.threads was changed alone')
    // Each variant is a module of its own.
    expect(run.report.findings.causes.map(({ facts }) => facts)).toEqual([[['lib.tfjs-backend-wasm.digest']]])
  })
})

describe('a plan of which nothing runs', () => {
  it('compares nothing, says so, and ends with 3', async () => {
    const run = await runCase(`name: nothing to compare
workloads:
  - linalg.gemm: { dtype: f32, n: 64, data: normal }
factors:
  backend: [blis@9.9, js@99]
`)
    expectSentence(run, 'Nothing was compared with another cell; 1 is incomplete: linalg.gemm', 3)
    expect(run.report.verdict).toBe('nothing compared')
    expectInAll(run, 'this agent has no backend blis@9.9', 'this agent has no backend js@99')
    expectInNone(run, 'is identical over', 'are identical')
    expect(run.csv.map(({ status, lack, compared }) => [status, lack, compared])).toEqual([
      ['unsupported', 'absent', 'no'],
      ['unsupported', 'absent', 'no'],
    ])
    expect(run.report.findings.counts.cells).toMatchObject({ completed: 0, compared: 0, absent: 2 })
  })
})

describe('seeds under one condition', () => {
  it('are rows that were not compared, each of its own', async () => {
    const run = await runCase(`name: seeds are not compared
repetitions: 2
workloads:
  - train.mlp: { dataset: digits, epochs: 1 }
factors:
  backend: [tfjs-cpu]
seeds: [1, 2, 3]
`)
    expectSentence(run, 'Nothing was compared with another cell; 3 were not compared: train.mlp (1 cell, 3 seeds)', 3)
    expectInAll(run, 'seed=1', 'seed=2', 'seed=3')
    expectInNone(run, '3 identical workloads', 'identical:')
    expect(run.report.findings.rows.map(({ verdict, compared }) => `${verdict} ${compared}`)).toEqual(
      new Array(3).fill('nothing compared 0'),
    )
    expect(run.csv.map(({ verdict, compared }) => `${verdict} ${compared}`)).toEqual(
      new Array(3).fill('nothing compared no'),
    )
  })
})
