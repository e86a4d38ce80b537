import { describe, expect, it } from 'vitest'
import {
  createSyntheticRun,
  f32,
  f64,
  flipBit,
  i32,
  type SyntheticCheckpoint,
  type SyntheticRun,
  syntheticAgent,
} from '../../test/synthetic-run.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { tensorFromBits, type Tensor } from '../../shared/tensor.ts'
import type { Comparison, Divergence } from '../report/format.ts'
import { cellOutcomes } from './cells.ts'
import { compareRun } from './compare-run.ts'

const agent = syntheticAgent('a')
const input: SyntheticCheckpoint = { step: 0, name: 'input', tensor: f32([1, 2, 3, 4]) }
const at = (name: string, tensor: Tensor, step = 0, output = true): SyntheticCheckpoint => ({
  step,
  name,
  tensor,
  output,
})
const large = f64(
  Array.from({ length: 300 }, (_, i) => Math.sqrt(i + 1)),
  [15, 20],
)

async function compareOne(run: SyntheticRun): Promise<Comparison> {
  const comparisons = await compareRun(run.data(), run.artifacts)
  expect(comparisons).toHaveLength(1)
  return comparisons[0] as Comparison
}

/** Two cells, twice each; the second has these checkpoints instead of those. */
async function comparePair(
  a: SyntheticCheckpoint[],
  b: SyntheticCheckpoint[],
  tamper: (run: SyntheticRun) => void = () => {},
): Promise<Divergence> {
  const run = createSyntheticRun([agent])
  run.add({ workload: 'w', backend: 'x', executions: [{ checkpoints: a }, { checkpoints: a }] })
  run.add({ workload: 'w', backend: 'y', executions: [{ checkpoints: b }, { checkpoints: b }] })
  tamper(run)
  const { divergences } = await compareOne(run)
  expect(divergences).toHaveLength(1)
  return divergences[0] as Divergence
}

describe('planted faults', () => {
  it('finds one flipped bit in one execution of one cell: where, which bit, and that the cell explains nothing', async () => {
    const run = createSyntheticRun([agent])
    const good = { checkpoints: [input, at('y', large)] }
    run.add({ workload: 'w', backend: 'x', executions: [good, good, good] })
    const faulty = run.add({
      workload: 'w',
      backend: 'y',
      executions: [good, good, { checkpoints: [input, at('y', flipBit(large, 247, 0))] }],
    })
    const comparison = await compareOne(run)
    expect(comparison).toMatchObject({
      verdict: 'nondeterministic',
      explanations: [],
      divergences: [],
      classes: [{ letter: 'A' }],
    })
    expect(comparison.nondeterministic).toMatchObject([
      {
        ...{ cell: faulty, executions: 3, distinct: 2 },
        divergence: {
          ...{ a: faulty, b: faulty, classes: ['#0', '#2'], element: 247, indices: [12, 7], ulp: '1' },
          checkpoint: { seq: 1, name: 'y' },
          statistics: { unequal: 1, maxUlp: '1' },
        },
      },
    ])
    // The same without the fault is identical, so it is the fault that was found.
    const sound = createSyntheticRun([agent])
    for (const backend of ['x', 'y']) sound.add({ workload: 'w', backend, executions: [good, good, good] })
    expect((await compareOne(sound)).verdict).toBe('identical')
  })

  it('finds a flipped sign of a zero and a changed payload of a NaN, of which no value shows', async () => {
    const zero = await comparePair([input, at('y', f32([0, 1]))], [input, at('y', f32([-0, 1]))])
    expect(zero).toMatchObject({
      element: 0,
      bits: ['00000000', '80000000'],
      ulp: '0',
      statistics: { unequal: 1, signOfZero: 1, maxUlp: '0' },
    })
    const nan = (bits: string) => [input, at('y', tensorFromBits('f32', [1], [bits]))]
    expect(await comparePair(nan('7fc00000'), nan('7fa00001'))).toMatchObject({
      bits: ['7fc00000', '7fa00001'],
      ulp: null,
      statistics: { nan: 1 },
    })
  })

  it('counts a swapped label', async () => {
    const labels = (values: number[]) => [input, at('logits', f32([1, 2])), at('labels', i32(values))]
    const found = await comparePair(labels([3, 1, 4, 1, 5]), labels([3, 1, 4, 5, 1]))
    expect(found.decisions).toEqual({ labels: 5, changed: 2, churn: 0.4 })
    expect(found.outputs.map(({ name }) => name)).toEqual(['labels'])
    const unchanged = await comparePair(labels([3, 1]), [input, at('logits', f32([1, 2.5])), at('labels', i32([3, 1]))])
    expect(unchanged.decisions).toEqual({ labels: 2, changed: 0, churn: 0 })
  })

  it('does not compare bytes that are not those of their digest', async () => {
    const b = at('y', flipBit(large, 9, 3))
    const found = await comparePair([input, at('y', large)], [input, b], ({ tensors }) => {
      tensors.set(digestOf(b.tensor.bytes), flipBit(large, 10, 3).bytes)
    })
    expect(found).toMatchObject({ element: null, bits: null, statistics: null })
    expect(found.missing).toMatch(/do not have that digest/)
  })

  it('says where bytes were not kept, and uses the bits that travelled with small outputs', async () => {
    const without = ({ tensors }: SyntheticRun) => tensors.clear()
    const found = await comparePair([input, at('y', large)], [input, at('y', flipBit(large, 9, 3))], without)
    expect(found).toMatchObject({
      checkpoint: { seq: 1, name: 'y' },
      element: null,
      missing: expect.stringMatching(/were not kept/),
    })
    const small = await comparePair([input, at('y', f32([1]))], [input, at('y', f32([1.5]))], without)
    expect(small).toMatchObject({ element: 0, bits: ['3f800000', '3fc00000'] })
    expect(small.missing).toBeUndefined()
  })

  it('does not locate a class whose trace is not what its digest says, and keeps it apart all the same', async () => {
    const run = createSyntheticRun([agent])
    for (const value of [1, 2, 3])
      run.add({ workload: 'w', backend: `b${value}`, executions: [{ checkpoints: [input, at('y', f32([value]))] }] })
    const [first, second] = [...run.traces.keys()] as [string, string]
    run.traces.set(second, run.traces.get(first) as string)
    const comparison = await compareOne(run)
    expect(comparison.classes.map(({ letter }) => letter)).toEqual(['A', 'B', 'C'])
    expect(comparison.divergences.map(({ classes }) => classes)).toEqual([['A', 'C']])
    expect(comparison.notes).toEqual([
      expect.stringMatching(/^class B is not located among the others: what is kept as trace/),
    ])
    run.traces.delete(second)
    expect((await compareOne(run)).notes).toEqual([expect.stringMatching(/was not kept$/)])
  })
})

describe('divergences', () => {
  it('are one for each branching of the prefix tree, against the first class that shares the prefix', async () => {
    const run = createSyntheticRun([agent])
    const steps = (...values: number[]) => ({
      checkpoints: [input, ...values.map((value, i) => at('loss', f32([value], []), i + 1))],
    })
    for (const values of [
      [1, 2, 3],
      [1, 2, 4],
      [1, 5, 6],
      [1, 5, 7],
    ])
      run.add({ workload: 'w', backend: `b${values}`, executions: [steps(...values)] })
    const { divergences } = await compareOne(run)
    expect(divergences.map(({ classes, checkpoint }) => [classes.join(''), checkpoint.seq])).toEqual([
      ['AB', 3],
      ['AC', 2],
      ['CD', 3],
    ])
  })

  it('follow a difference over the steps, and count where it healed', async () => {
    const steps = (drift: number) => [
      input,
      ...Array.from({ length: 10 }, (_, i) =>
        at('loss', f32([i === 6 ? 1 : 1 + (i > 2 ? drift * 2 ** (i - 20) : 0)], []), i + 1, i === 9),
      ),
    ]
    const found = await comparePair(steps(0), steps(1))
    expect(found).toMatchObject({ checkpoint: { seq: 4, step: 4 }, differing: 6, healed: 1 })
    const [{ name, of, points } = { name: '', of: 0, points: [] }] = found.growth
    expect([name, of]).toEqual(['loss', 7])
    expect(points.map(({ step, maxUlp }) => [step, maxUlp])).toEqual([
      [4, '64'],
      [5, '128'],
      [6, '256'],
      [7, '0'],
      [8, '1024'],
      [9, '2048'],
      [10, '4096'],
    ])
    expect(found.growthNote).toBeUndefined()
  })

  it('sample long series evenly, the first and the last among the samples, and say so', {
    timeout: 60_000,
  }, async () => {
    const names = Array.from({ length: 14 }, (_, i) => `weights/${i}`)
    const steps = (drift: number) =>
      Array.from({ length: 400 }, (_, i) => names.map((name) => at(name, f32([1 + i + drift], []), i, false))).flat()
    const found = await comparePair(steps(0), steps(0.5))
    expect(found.growth).toHaveLength(12)
    for (const { of, points } of found.growth) {
      expect([of, points.length, points[0]?.step, points.at(-1)?.step]).toEqual([400, 256, 0, 399])
    }
    expect(found.growthNote).toMatch(/^12 of 14 names followed; sampled evenly: weights\/0 at 256 of 400 checkpoints/)
  })

  it('of traces under different schemas are named as such, not measured', async () => {
    const found = await comparePair([input, at('y', f32([1]))], [input, at('z', f32([1, 2]))])
    expect(found).toMatchObject({
      element: null,
      statistics: null,
      missing: 'the checkpoint schemas differ: y (step 0, f32[1]) in the one, z (step 0, f32[2]) in the other',
    })
    const ended = await comparePair([input], [input, at('z', f32([1, 2]))])
    expect(ended).toMatchObject({
      checkpoint: { name: 'z' },
      digests: [null, expect.stringMatching(/^sha256:/)],
      missing: expect.stringMatching(/the end of the trace in the one/),
    })
  })
})

describe('inputs', () => {
  const run = (second: Tensor) => {
    const made = createSyntheticRun([agent])
    const params = { dtype: 'f32', n: 4 }
    made.add({
      workload: 'reduce.sum',
      params,
      backend: 'x',
      executions: [{ checkpoints: [input, at('sum', f32([10], []))] }],
    })
    made.add({
      workload: 'reduce.sum',
      params,
      backend: 'y',
      executions: [{ checkpoints: [{ ...input, tensor: second }, at('sum', f32([11], []))] }],
    })
    return made
  }

  it('that differ are told from arithmetic that differs', async () => {
    expect(await compareOne(run(f32([1, 2, 3, 5])))).toMatchObject({
      inputsEqual: false,
      divergences: [{ checkpoint: { name: 'input' } }],
    })
    expect(await compareOne(run(f32([1, 2, 3, 4], [2, 2])))).toMatchObject({ inputsEqual: false })
    expect(await compareOne(run(input.tensor))).toMatchObject({
      inputsEqual: true,
      divergences: [{ checkpoint: { name: 'sum' } }],
    })
  })
})

describe('bytes', () => {
  it('are asked for of one member of a class, and only where classes part', async () => {
    const made = createSyntheticRun([agent])
    const [same, other] = [at('y', large), at('y', flipBit(large, 3, 1))]
    for (let i = 0; i < 20; i++)
      made.add({ workload: 'w', backend: `b${i}`, executions: [{ checkpoints: [input, i < 10 ? same : other] }] })
    const asked: Digest[] = []
    await compareRun(made.data(), {
      ...made.artifacts,
      tensor: (digest) => {
        asked.push(digest)
        return made.artifacts.tensor(digest)
      },
    })
    expect(new Set(asked)).toEqual(new Set([same, other].map(({ tensor }) => digestOf(tensor.bytes))))
    expect(asked.length).toBeLessThanOrEqual(4)
  })
})

describe('verdicts', () => {
  const good = { checkpoints: [input, at('y', f32([1]))] }
  const odd = { checkpoints: [input, at('y', f32([2]))] }
  const crash = { outcome: { status: 'crashed', signal: 'SIGILL', stderr: '' } } as const
  const lacks = { outcome: { status: 'unsupported', reason: 'none' } } as const
  it.each([
    [
      'nondeterministic',
      [
        [good, odd],
        [odd, odd],
        [good, good],
        [crash, crash],
      ],
    ],
    [
      'divergent',
      [
        [odd, odd],
        [good, good],
        [crash, crash],
      ],
    ],
    [
      'incomplete',
      [
        [good, good],
        [good, crash],
        [lacks, lacks],
      ],
    ],
    ['incomplete', [[crash, crash]]],
    [
      'identical',
      [
        [good, good],
        [good, good],
        [lacks, lacks],
      ],
    ],
    ['nothing compared', [[lacks, lacks]]],
    ['nothing compared', [[good, good]]],
  ])('%s, the first that holds', async (verdict, cells) => {
    const run = createSyntheticRun([agent])
    cells.forEach((executions, i) => run.add({ workload: 'w', backend: 'js', knobs: { order: i }, executions }))
    expect((await compareOne(run)).verdict).toBe(verdict)
  })
})

describe('explanations of cells', () => {
  const given = (value: number) => [{ checkpoints: [at('y', f32([value]))] }, { checkpoints: [at('y', f32([value]))] }]

  it('name the backend and not a setting that only one of the backends has', async () => {
    const run = createSyntheticRun([agent])
    run.add({ workload: 'w', backend: 'tfjs-cpu', executions: given(1) })
    run.add({
      ...{ workload: 'w', backend: 'tfjs-wasm', knobs: { threads: 1 }, effective: { threads: '1' } },
      executions: given(2),
    })
    const { explanations } = await compareOne(run)
    expect(explanations).toMatchObject([
      {
        facts: ['backend'],
        inseparable: { backend: ['knob.tfjs-wasm.threads', 'knob.tfjs-wasm.effective.threads'] },
        ...{ chance: null, draws: 0, noFigure: 'cells' },
      },
    ])
  })

  it('name the version and not the backend if it is the version that differs', async () => {
    const run = createSyntheticRun([agent])
    for (const [i, version] of ['2.8.0', '2.21.0'].entries()) {
      run.add({ workload: 'w', backend: `tensorflow@${version}`, version, executions: given(i) })
    }
    const { explanations } = await compareOne(run)
    expect(explanations).toMatchObject([{ facts: ['backend.version'], inseparable: { 'backend.version': [] } }])
  })

  it('tell the threads of two libraries apart', async () => {
    const run = createSyntheticRun([agent])
    for (const backend of ['openblas', 'blis']) {
      for (const threads of [1, 2]) {
        const value = backend === 'blis' ? 3 : threads
        run.add({ workload: 'w', backend, knobs: { threads }, effective: {}, executions: given(value) })
      }
    }
    const { explanations } = await compareOne(run)
    expect(explanations[0]?.facts).toEqual(['knob.openblas.threads'])
  })

  it('have no chance, whatever the number of idle conditions on two machines', async () => {
    const agents = ['0-1', '0'].map((affinity, i) => syntheticAgent(`m${i}`, { 'cpu.affinity': affinity }))
    const run = createSyntheticRun(agents)
    agents.forEach(({ id }, i) => {
      for (let dummy = 1; dummy <= 8; dummy++) {
        run.add({ agent: id, workload: 'w', backend: 'x', knobs: { dummy }, executions: given(i) })
      }
    })
    const { explanations } = await compareOne(run)
    expect(explanations).toMatchObject([{ facts: ['cpu.affinity'], chance: null, noFigure: 'cells' }])
  })

  it('do not count a setting read back that varied between executions', async () => {
    const run = createSyntheticRun([agent])
    const [a, b] = [at('y', f32([1])), at('y', f32([2]))]
    run.add({ workload: 'w', backend: 'x', knobs: { k: 1 }, effective: { k: '1' }, executions: [{ checkpoints: [a] }] })
    run.add({ workload: 'w', backend: 'x', knobs: { k: 2 }, effective: { k: '2' }, executions: [{ checkpoints: [b] }] })
    const data = run.data()
    const outcome = cellOutcomes(data)[0]
    expect(outcome?.varying).toEqual({})
    const [first] = data.executions
    const again = { ...first, repetition: 0, attempt: 1, execution: { ...first?.execution, effective: { k: '9' } } }
    const varied = cellOutcomes({
      ...data,
      executions: [...data.executions, again as (typeof data.executions)[number]],
    })
    expect(varied[0]?.varying).toEqual({ 'knob.x.effective.k': ['1', '9'] })
  })
})
