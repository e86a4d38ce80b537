import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  createSyntheticRun,
  f32,
  f64,
  type SyntheticCheckpoint,
  type SyntheticRun,
  syntheticAgent,
} from '../../test/synthetic-run.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { digestOf } from '../../shared/digest.ts'
import { createTensor, tensorFromBits, type Tensor } from '../../shared/tensor.ts'
import { assembleReport } from '../report/assemble.ts'
import { type Comparison, type Divergence, reportSchema } from '../report/format.ts'
import { kindText, pointFigure } from '../report/kind-text.ts'
import { compareRun } from './compare-run.ts'
import { compareFiles } from './files.ts'

const cases = join(import.meta.dirname, '../../test/fixtures/cases')
const agent = syntheticAgent('a')
const at = (name: string, tensor: Tensor, step = 0, output = true): SyntheticCheckpoint => ({
  step,
  name,
  tensor,
  output,
})

/** Comparisons of a run, after its report went through JSON and the schema. */
async function compareWhole(run: SyntheticRun, artifacts = run.artifacts): Promise<Comparison[]> {
  const report = assembleReport(run.data(), await compareRun(run.data(), artifacts), 'bitfleet test')
  expect(reportSchema.parse(JSON.parse(canonicalJson(report)))).toEqual(report)
  return report.comparisons
}

async function comparePair(a: SyntheticCheckpoint[], b: SyntheticCheckpoint[]): Promise<Divergence> {
  const run = createSyntheticRun([agent])
  run.add({ workload: 'w', backend: 'x', executions: [{ checkpoints: a }] })
  run.add({ workload: 'w', backend: 'y', executions: [{ checkpoints: b }] })
  const [comparison] = await compareWhole(run)
  expect(comparison?.divergences).toHaveLength(1)
  return comparison?.divergences[0] as Divergence
}

describe('a figure that does not exist', () => {
  it.each([
    ['arm-sign', { kinds: { 'nan-sign': 1 }, maxUlp: null, relativeL2: null }],
    ['payload', { kinds: { 'nan-payload': 1 }, maxUlp: null, relativeL2: null }],
    ['zero-sign', { kinds: { 'sign-of-zero': 1 }, maxUlp: '0', relativeL2: 0 }],
    ['became-number', { kinds: { 'nan-number': 1 }, maxUlp: null, relativeL2: null }],
  ])('is no 0: case nan/%s', async (name, figures) => {
    const found = await compareFiles(join(cases, 'nan/x86.npy'), join(cases, `nan/${name}.npy`))
    if (found.kind !== 'tensors') throw new Error('tensors were compared')
    expect(found.tensors[0]?.statistics).toMatchObject({ elements: 5, unequal: 1, ...figures })
    expect(found.tensors[0]?.first?.kind).toBe(Object.keys(figures.kinds)[0])
    const missing = { maxUlp: expect.any(String), relativeL2: expect.any(String) }
    expect(found.tensors[0]?.statistics.notMeasured).toEqual(figures.maxUlp === null ? missing : {})
  })

  it('is NaN in the growth from the step on at which there is one: case nan/nan.yaml', async () => {
    const steps = (k: number) =>
      Array.from({ length: 5 }, (_, i) => {
        const s = i + 1
        const odd = k === 1 ? (s === 2 ? [s + 1e-15 * s, 2] : s >= 3 ? [Number.NaN, Number.NaN] : [s, 2]) : [s, 2]
        return at('update/w', f64(k === 2 && s >= 2 ? [Infinity, Infinity] : odd), s)
      })
    const { growth } = await comparePair(steps(0), steps(1))
    expect(growth[0]?.points.map(({ step, state, maxUlp }) => [step, state, maxUlp])).toEqual([
      [2, 'measured', '5'],
      [3, 'nan', null],
      [4, 'nan', null],
      [5, 'nan', null],
    ])
    expect(growth[0]?.points.map(pointFigure)).toEqual(['5 ULP', 'NaN', 'NaN', 'NaN'])
    const infinite = await comparePair(steps(0), steps(2))
    expect(infinite.growth[0]?.points.map(pointFigure)).toEqual(['infinite', 'infinite', 'infinite', 'infinite'])
    expect(infinite.statistics).toMatchObject({ kinds: { infinity: 2 }, relativeL2: null })
  })

  it('is infinite beyond binary64, and the other row stands: case infinite', async () => {
    const run = createSyntheticRun([agent])
    const rows: [string, Tensor, Tensor][] = [
      ['v', f32([2.42234], []), f32([2.4223402], [])],
      ['w', f64([5e-324], []), f64([-(2 ** -19)], [])],
    ]
    for (const [workload, exact, other] of rows) {
      run.add({ workload, backend: 'x', executions: [{ checkpoints: [at('sum', exact)] }] })
      run.add({ workload, backend: 'y', executions: [{ checkpoints: [at('sum', other)] }] })
    }
    const found = await compareWhole(run)
    expect(found.map(({ verdict }) => verdict)).toEqual(['divergent', 'divergent'])
    expect(found.map(({ divergences }) => divergences[0]?.statistics?.relativeL2)).toEqual([
      expect.any(Number),
      'infinite',
    ])
  })

  it('of flushed subnormals is beside its kind: case flush', async () => {
    const values = Array.from({ length: 16 }, (_, i) => 1e-308 * (1 + i / 7))
    const flushed = values.map((value) => (value < 2 ** -1022 ? 0 : value))
    const { statistics, kind } = await comparePair([at('scaled', f64(values))], [at('scaled', f64(flushed))])
    expect(kind).toBe('subnormal-zero')
    expect(statistics).toMatchObject({ unequal: 9, kinds: { 'subnormal-zero': 9 }, patterns: [] })
    if (statistics) expect(kindText(statistics)).toBe('9 subnormal against zero (flush)')
  })

  it('is not measured below the least binary64 number, nor without a finite pair that differs', async () => {
    const l2 = async (a: number[], b: number[]) =>
      (await comparePair([at('y', f64(a))], [at('y', f64(b))])).statistics as NonNullable<Divergence['statistics']>
    expect(await l2([1e308, 5e-324], [1e308, 1e-323])).toMatchObject({
      relativeL2: null,
      notMeasured: { relativeL2: 'it is below the least binary64 number' },
    })
    expect(await l2([1, Number.NaN], [1, 2])).toMatchObject({
      relativeL2: null,
      notMeasured: { relativeL2: 'every pair that differs has a NaN or an infinity' },
    })
    expect((await l2([1e-300, 2e-300], [1e300, 1e300])).relativeL2).toBe('infinite')
    expect((await l2([1, 3, Number.NaN], [1, 4, 2])).relativeL2).toBeCloseTo(1 / Math.sqrt(10), 14)
  })
})

describe('one bad figure', () => {
  const tensors = Array.from({ length: 3 }, (_, i) => f64(Array.from({ length: 40 }, (_, k) => k + i / 8)))
  const [first, second, third] = tensors as [Tensor, Tensor, Tensor]

  it('that cannot be read costs itself only', async () => {
    const run = createSyntheticRun([agent])
    const steps = (last: Tensor) => [at('w', first, 1), at('w', last, 2), at('y', last, 2)]
    run.add({ workload: 'v', backend: 'x', executions: [{ checkpoints: steps(second) }] })
    run.add({ workload: 'v', backend: 'y', executions: [{ checkpoints: steps(third) }] })
    const broken = digestOf(third.bytes)
    const found = await compareWhole(run, {
      ...run.artifacts,
      tensor: (digest) =>
        digest === broken ? Promise.reject(new Error('disk is gone')) : run.artifacts.tensor(digest),
    })
    const reason = expect.stringMatching(/cannot be read: disk is gone/)
    expect(found[0]).toMatchObject({
      verdict: 'divergent',
      divergences: [
        {
          checkpoint: { seq: 1, name: 'w' },
          ...{ element: null, kind: null, statistics: null, missing: reason },
          outputs: [
            { name: 'w', statistics: null, missing: reason },
            { name: 'y', statistics: null, missing: reason },
          ],
        },
      ],
    })
  })

  it('in the growth is a point that says so between two that are measured', async () => {
    const run = createSyntheticRun([agent])
    const steps = (drift: number) => [1, 2, 3].map((s) => at('w', f64([s + drift, ...Array(20).fill(s)]), s))
    run.add({ workload: 'v', backend: 'x', executions: [{ checkpoints: steps(0) }] })
    run.add({ workload: 'v', backend: 'y', executions: [{ checkpoints: steps(0.5) }] })
    run.tensors.delete(digestOf((steps(0.5)[1] as SyntheticCheckpoint).tensor.bytes))
    const [comparison] = await compareWhole(run)
    const [divergence] = comparison?.divergences ?? []
    expect(divergence?.growth[0]?.points.map(({ state, unequal }) => [state, unequal])).toEqual([
      ['measured', 1 / 21],
      ['not-measured', null],
      ['measured', 1 / 21],
    ])
    expect(divergence?.growth[0]?.points[1]?.missing).toMatch(/were not kept/)
    expect(divergence?.growthNote).toMatch(/^1 checkpoint was not measured/)
  })

  it('that throws while a row is compared costs that row its figures, not the run', async () => {
    const run = createSyntheticRun([agent])
    for (const workload of ['v', 'w']) {
      for (const value of [1, 2]) {
        const tensor = workload === 'v' ? f64([value, 3]) : f32([value, 3])
        run.add({ workload, backend: `b${value}`, executions: [{ checkpoints: [at('y', tensor)] }] })
      }
    }
    const [trace] = [...run.traces.keys()]
    const found = await compareWhole(run, {
      ...run.artifacts,
      trace: (digest) => (digest === trace ? Promise.reject(new Error('no such index')) : run.artifacts.trace(digest)),
    })
    expect(found[0]).toMatchObject({
      workload: 'v',
      verdict: 'divergent',
      classes: [{ letter: 'A' }, { letter: 'B' }],
      divergences: [],
      notes: ['only the classes are known, the comparison failed: no such index'],
    })
    expect(found[1]).toMatchObject({ workload: 'w', verdict: 'divergent', divergences: [{ element: 0 }] })
  })
})

describe('the identity of an array', () => {
  const bits = Array.from({ length: 16 }, (_, i) => (0x3f800000 + i).toString(16))
  const square = tensorFromBits('f32', [4, 4], bits)
  const flat = createTensor('f32', [2, 8], square.bytes)

  it('is its dtype, its shape and its bytes: equal bytes of another shape are another array', async () => {
    const [input, last] = [at('input', f32([1])), at('z', f32([2, 3]), 1)]
    const found = await comparePair([input, at('y', square), last], [input, at('y', flat), last])
    expect(found).toMatchObject({
      checkpoint: { name: 'y' },
      missing:
        'the checkpoint schemas differ: y (step 0, f32[4, 4]) in the one, y (step 0, f32[2, 8]) in the other (the same bytes)',
      outputs: [
        {
          name: 'y',
          types: ['f32[4, 4]', 'f32[2, 8]'],
          statistics: null,
          missing: 'f32[4, 4] against f32[2, 8]: the same bytes, another type or shape',
        },
      ],
      differing: 1,
      healed: 1,
    })
    const integers = createTensor('i32', [4, 4], square.bytes)
    const other = await comparePair([input, at('y', square)], [input, at('y', integers)])
    expect(other.outputs[0]?.missing).toBe('f32[4, 4] against i32[4, 4]: the same bytes, another type or shape')
  })

  it('is kept when bytes travelled as bits: each is read with its own dtype and shape', async () => {
    const run = createSyntheticRun([agent])
    const checkpoints = (last: Tensor) => [at('a', square), at('b', flat), at('y', last)]
    run.add({ workload: 'w', backend: 'x', executions: [{ checkpoints: checkpoints(square) }] })
    run.add({
      workload: 'w',
      backend: 'y',
      executions: [{ checkpoints: checkpoints(tensorFromBits('f32', [4, 4], bits.toReversed())) }],
    })
    run.tensors.clear()
    const [comparison] = await compareWhole(run)
    expect(comparison?.divergences[0]).toMatchObject({
      ...{ checkpoint: { name: 'y', shape: [4, 4] }, element: 0, indices: [0, 0] },
      statistics: { patterns: ['permutation'], unequal: 16 },
    })
  })

  it.each([
    ['s28', 's44', 'f32[2,8] and f32[4,4] cannot be compared'],
    ['z32', 'z64', 'f32[2] and f64[1] cannot be compared'],
  ])('is told of files, too: case shapes/%s against %s', async (a, b, fact) => {
    const compared = compareFiles(join(cases, `shapes/${a}.npy`), join(cases, `shapes/${b}.npy`))
    await expect(compared).rejects.toMatchObject({
      code: 'usage',
      message: `${fact}: dtypes and shapes must be equal; only their bytes are the same`,
    })
  })

  it('counts a final tensor that only one side has as different', async () => {
    const y = at('y', f32([1]))
    const found = await comparePair([y], [y, at('z', f32([2]), 1)])
    expect(found.outputs).toEqual([
      {
        name: 'z',
        digests: [null, digestOf(f32([2]).bytes)],
        types: [null, 'f32[1]'],
        statistics: null,
        missing: 'only one side has a final tensor of this name',
      },
    ])
  })
})

describe('a cell that disagrees with itself', () => {
  const execution = (value: readonly number[], before = 1) => ({
    checkpoints: [at('input', f32([before])), at('y', f64(value, [2, 3])), at('z', f32([value.length]), 1)],
  })

  it('is located over all its results: checkpoint, element, bits, and how many elements vary', async () => {
    const run = createSyntheticRun([agent])
    const id = run.add({
      workload: 'w',
      backend: 'x',
      executions: [
        execution([0, 1, 2, 3, 4, 5]),
        execution([0, 1, 2, 3, 4, 6]),
        execution([0, 1, 2, 3, 4, 5]),
        execution([0, 1, 7, 3, 4, 5]),
        execution([0, 1, 8, 3, 4, 5]),
      ],
    })
    const [comparison] = await compareWhole(run)
    expect(comparison?.nondeterministic).toMatchObject([
      {
        ...{ cell: id, executions: 5, distinct: 4 },
        first: {
          ...{ looked: 4, tensors: 4, read: 4, checkpoint: { seq: 1, name: 'y', dtype: 'f64', shape: [2, 3] } },
          ...{ element: 2, indices: [0, 2], varying: 2, elements: 6 },
          bits: ['4000000000000000', '401c000000000000', '4020000000000000'],
          values: ['2', '7', '8'],
        },
        divergence: { classes: ['#0', '#1'], element: 5 },
      },
    ])
  })

  it('is located at the earliest checkpoint of all its results, which need not be that of the first two', async () => {
    const run = createSyntheticRun([agent])
    const values = [0, 1, 2, 3, 4, 5]
    const executions = [execution(values), execution(values.toReversed()), execution(values, 2)]
    run.add({ workload: 'w', backend: 'x', executions })
    const [comparison] = await compareWhole(run)
    expect(comparison?.nondeterministic[0]).toMatchObject({
      first: { checkpoint: { seq: 0, name: 'input' }, tensors: 2, bits: ['3f800000', '40000000'] },
      divergence: { checkpoint: { seq: 1 } },
    })
  })

  it('says why where its bytes were not kept, or its executions have different checkpoints', async () => {
    const run = createSyntheticRun([agent])
    const large = (value: number) => ({ checkpoints: [at('y', f64(Array(40).fill(value)))] })
    run.add({ workload: 'w', backend: 'x', executions: [large(1), large(2)] })
    run.tensors.clear()
    run.add({
      workload: 'v',
      backend: 'x',
      executions: [execution([0, 1, 2, 3, 4, 5]), { checkpoints: [at('input', f32([1]))] }],
    })
    const [w, v] = await compareWhole(run)
    expect(w?.nondeterministic[0]?.first).toMatchObject({
      ...{ checkpoint: { seq: 0 }, tensors: 2, element: null, bits: null, varying: null },
      missing: expect.stringMatching(/were not kept/),
    })
    expect(v?.nondeterministic[0]?.first).toMatchObject({
      ...{ checkpoint: { seq: 1, name: 'y' }, tensors: 2 },
      missing: 'the executions have different checkpoints there',
    })
  })

  it('is looked at in so many results as the bound says', async () => {
    const run = createSyntheticRun([agent])
    const executions = Array.from({ length: 70 }, (_, i) => ({ checkpoints: [at('y', f32([i]))] }))
    run.add({ workload: 'w', backend: 'x', executions })
    const [comparison] = await compareWhole(run)
    expect(comparison?.nondeterministic[0]).toMatchObject({
      distinct: 70,
      first: { looked: 64, tensors: 64, read: 64 },
    })
  })
})
