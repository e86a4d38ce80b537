import { compareRun } from '../coordinator/compare/compare-run.ts'
import { assembleReport } from '../coordinator/report/assemble.ts'
import type { Report } from '../coordinator/report/format.ts'
import type { Knobs } from '../shared/condition.ts'
import { tensorFromBits } from '../shared/tensor.ts'
import {
  createSyntheticRun,
  f32,
  f64,
  flipBit,
  i32,
  type SyntheticCell,
  type SyntheticCheckpoint,
  syntheticAgent,
  type SyntheticRun,
} from './synthetic-run.ts'

// A report with everything a renderer must be able to show, made by the real comparison from synthetic executions.

const agents = [
  syntheticAgent('a-1', {}, 'rack-1'),
  syntheticAgent(
    'a-2',
    { 'cpu.vendor': 'AuthenticAMD', 'cpu.brand': 'EPYC 7763', 'cpu.flags.avx512f': 'no', libc: 'glibc 2.41' },
    '<b>rack|2</b>',
  ),
]
const both = agents.map(({ id }) => id)

const numbers = (n: number, scale = 1) =>
  Array.from({ length: n }, (_, i) => Math.fround((((i * 7919) % 1009) / 1009 - 0.5) * scale))
const input: SyntheticCheckpoint = { step: 0, name: 'input', tensor: f32(numbers(64)) }
const result = (name: string, tensor: SyntheticCheckpoint['tensor']): SyntheticCheckpoint => ({
  step: 0,
  name,
  tensor,
  output: true,
})
const twice = (checkpoints: SyntheticCheckpoint[]) => [{ checkpoints }, { checkpoints }]

function addSums(run: SyntheticRun): void {
  const sums: Record<string, number> = {
    sequential: 1.5,
    reverse: 1.5000001,
    pairwise: 1.4999999,
    'lanes:8': 1.4999999,
    exact: 1.5,
    kahan: 1.5,
  }
  for (const [order, sum] of Object.entries(sums)) {
    for (const agent of both) {
      run.add({
        ...{ agent, workload: 'reduce.sum', params: { dtype: 'f32', n: 64 }, backend: 'js', knobs: { order } },
        effective: { order },
        executions: twice([input, result('sum', f32([sum], []))]),
      })
    }
  }
}

function addRace(run: SyntheticRun): void {
  const sums = [2.5, 2.5, 2.5000002, 2.5, 2.4999998, 2.5, 2.5000002, 2.5]
  run.add({
    ...{
      workload: 'reduce.sum',
      params: { dtype: 'f32', n: 65536, data: 'wide' },
      backend: 'js',
      knobs: { order: 'atomic:4' },
    },
    executions: sums.map((sum, i) => ({
      checkpoints: [input, result('sum', f32([sum], []))],
      facts: { 'cpu.affinity': i % 2 ? '0-3' : '0-1' },
    })),
  })
}

function addTrainings(run: SyntheticRun): void {
  const train = (drift: number): SyntheticCheckpoint[] => {
    const checkpoints: SyntheticCheckpoint[] = [
      { step: 0, name: 'images', tensor: f32(numbers(128), [8, 16]) },
      { step: 0, name: 'weights/dense1/kernel', tensor: f32(numbers(48, 0.2), [16, 3]) },
    ]
    for (let step = 1; step <= 90; step++) {
      const moved = step < 12 ? 0 : drift * 2 ** -22 * 1.12 ** (step - 12)
      // A difference that heals: at step 20 the loss rounds to the same value again.
      const seen = step === 20 ? 0 : moved
      checkpoints.push(
        { step, name: 'loss', tensor: f32([2.3 * 0.98 ** step * (1 + seen)], []) },
        {
          step,
          name: 'weights/dense1/kernel',
          tensor: f32(
            numbers(48, 0.2).map((w, i) => w * (1 + step / 100) * (1 + (i % 3 ? moved : 0))),
            [16, 3],
          ),
        },
      )
    }
    const labels = Array.from({ length: 40 }, (_, i) => (drift > 0 && i % 13 === 5 ? (i + 1) % 10 : i % 10))
    checkpoints.push(
      { step: 90, name: 'logits', tensor: f32(numbers(40, 3 + drift / 64), [4, 10]), output: true },
      { step: 90, name: 'labels', tensor: i32(labels), output: true },
    )
    return checkpoints
  }
  for (const workload of ['train.mlp', 'train.cnn']) {
    const params = { dataset: 'digits', epochs: 2, checkpoints: 'step' }
    const conditions: Pick<SyntheticCell, 'backend' | 'knobs'>[] = [
      { backend: 'tfjs-cpu' },
      { backend: 'tfjs-wasm', knobs: { variant: 'plain' } },
      { backend: 'tfjs-wasm', knobs: { variant: 'simd' } },
    ]
    conditions.forEach((condition, i) => {
      run.add({
        workload,
        params,
        ...condition,
        version: '4.22.0',
        executions: twice(train(workload === 'train.cnn' ? Math.min(i, 1) : i)),
      })
    })
  }
  for (const jit of ['default', 'baseline', 'off']) {
    for (const agent of both) {
      run.add({
        agent,
        workload: 'train.mlp-reference',
        params: { epochs: 1 },
        backend: 'js',
        knobs: { jit },
        executions: twice(train(0)),
      })
    }
  }
}

/** One workload whose result depends on nothing but the machine and one on nothing but a code path. */
function addElementary(run: SyntheticRun): void {
  const exact = f64(numbers(256).map(Math.exp))
  for (const agent of both) {
    for (const hwcaps of ['', '-FMA']) {
      const knobs: Knobs = hwcaps === '' ? {} : { hwcaps }
      const label = hwcaps === '' ? 'native' : 'override'
      const cell = { agent, backend: 'libm', knobs, label, version: agent === 'a-1' ? '2.36' : '2.41' } as const
      run.add({
        ...{ ...cell, workload: 'elementary.exp', params: { dtype: 'f64', n: 256 } },
        executions: twice([input, result('exp', hwcaps === '' ? exact : flipBit(flipBit(exact, 31, 0), 77, 1))]),
      })
      run.add({
        ...{ ...cell, workload: 'elementary.sin', params: { dtype: 'f64', n: 256 } },
        executions: twice([input, result('sin', agent === 'a-1' ? exact : flipBit(exact, 3, 4))]),
      })
    }
  }
}

function addEdgeCases(run: SyntheticRun): void {
  const norm = (bits: string): SyntheticCheckpoint[] => [
    input,
    result('norm2', tensorFromBits('f32', [4], ['3f800000', bits, '00000001', '7f800000'])),
  ]
  const nan = { workload: 'reduce.norm2', params: { dtype: 'f32' }, backend: 'js' }
  run.add({ ...nan, knobs: { order: 'sequential' }, executions: twice(norm('7fc00000')) })
  run.add({ ...nan, knobs: { order: 'reverse' }, executions: twice(norm('ffc00001')) })
  const inputB = { ...input, name: 'input-b' }
  const dot = (bits: string): SyntheticCheckpoint[] => [input, inputB, result('dot', tensorFromBits('f32', [], [bits]))]
  const zero = { workload: 'reduce.dot', params: { dtype: 'f32' }, backend: 'js' }
  run.add({ ...zero, knobs: { order: 'sequential' }, executions: twice(dot('80000000')) })
  run.add({ ...zero, knobs: { order: 'fma' }, executions: twice(dot('00000000')) })

  const conv = [input, result('conv2d', f32(numbers(192), [4, 4, 12]))]
  const images = { workload: 'nn.conv2d', params: { dtype: 'f32' } }
  run.add({ ...images, backend: 'tfjs-cpu', executions: twice(conv) })
  run.add({
    ...{ ...images, backend: 'tfjs-wasm', knobs: { variant: 'simd' } },
    executions: [
      { checkpoints: conv },
      { outcome: { status: 'crashed', signal: 'SIGILL', stderr: 'illegal instruction\n<script>alert(1)</script>' } },
    ],
  })
  run.add({
    ...{ ...images, backend: 'openblas', knobs: { threads: 2 } },
    executions: [0, 1].map(() => ({ outcome: { status: 'unsupported', reason: 'openblas has no kernel conv2d' } })),
  })

  const gemm = [input, result('gemm', f32(numbers(256), [16, 16]))]
  const product = { workload: 'linalg.gemm', params: { dtype: 'f32', n: 16 } }
  run.add({ ...product, backend: 'js', executions: twice(gemm) })
  run.add({ ...product, backend: 'tfjs-cpu', executions: twice(gemm) })
  run.add({
    ...{ ...product, backend: 'openblas', knobs: { coreType: 'Haswell' }, label: 'override', version: '0.3.21' },
    effective: { coreType: 'SkylakeX' },
    executions: twice(gemm).map((execution) => ({
      ...execution,
      facts: { 'env.OPENBLAS_CORETYPE': 'Haswell', 'lib.openblas': '0.3.21' },
      notes: [
        {
          kind: 'no-effect',
          subject: 'coreType',
          message: 'openblas: OPENBLAS_CORETYPE=Haswell was ignored, SkylakeX is in force',
        },
      ],
    })),
  })
  const late = { outcome: { status: 'timed-out', limitMs: 60_000, stderr: '' } } as const
  run.add({ workload: 'linalg.gemv', params: { m: 8, n: 8 }, backend: 'js', executions: twice(gemm.slice(0, 1)) })
  run.add({ workload: 'linalg.gemv', params: { m: 8, n: 8 }, backend: 'tfjs-cpu', executions: [late, late] })
  run.add({
    workload: 'linalg.gemv',
    params: { m: 8, n: 8 },
    backend: 'tfjs-wasm',
    executions: [{ outcome: { status: 'cancelled' } }, null],
  })
  run.add({ workload: 'linalg.gemv', params: { m: 8, n: 8 }, backend: 'libm', executions: [null, null] })
  run.add({
    ...{ workload: 'linalg.gemv', params: { m: 8, n: 8 }, backend: 'blis' },
    executions: [
      { outcome: { status: 'failed', code: 'workload', message: 'the schema has no checkpoint "y"', stderr: 'Error' } },
      null,
    ],
  })
  // Not the arithmetic: one of the two was given another input.
  const other = { ...input, tensor: flipBit(input.tensor, 9, 22) }
  run.add({ workload: 'nn.softmax', backend: 'js', executions: twice([input, result('softmax', f32(numbers(64)))]) })
  run.add({
    workload: 'nn.softmax',
    backend: 'tfjs-cpu',
    executions: twice([other, result('softmax', f32(numbers(64, 2)))]),
  })

  for (const backend of ['js', 'tfjs-cpu', 'tfjs-wasm']) {
    run.add({
      workload: 'nn.layernorm',
      params: { dtype: 'f32' },
      backend,
      executions: twice([input, result('layernorm', f32(numbers(32)))]),
    })
  }
}

export function sampleRun(): SyntheticRun {
  const run = createSyntheticRun(agents, {
    planNotes: ['plan.yaml:7: factor "blis.threads" sets no knob of any backend in the plan'],
  })
  addSums(run)
  addRace(run)
  addTrainings(run)
  addElementary(run)
  addEdgeCases(run)
  return run
}

async function buildReport(): Promise<Report> {
  const run = sampleRun()
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
}

const built = await buildReport()

/** A copy of its own for every caller: 14 comparisons of every verdict, two agents, every way a cell can end. */
export function sampleReport(): Report {
  return structuredClone(built)
}
