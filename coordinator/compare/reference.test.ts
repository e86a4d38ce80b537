import { describe, expect, it } from 'vitest'
import { createSyntheticRun, f32, type SyntheticRun, syntheticAgent } from '../../test/synthetic-run.ts'
import type { Knobs } from '../../shared/condition.ts'
import type { Comparison } from '../report/format.ts'
import { compareRun } from './compare-run.ts'

const run = () => createSyntheticRun([syntheticAgent('a'), syntheticAgent('b')])

interface Sum {
  readonly value: number | readonly number[]
  readonly workload?: string
  readonly knobs?: Knobs
  readonly agent?: string
  readonly effective?: Record<string, string>
}

function add(to: SyntheticRun, backend: string, { value, workload = 'reduce.sum', ...cell }: Sum): string {
  const tensor = typeof value === 'number' ? f32([value], []) : f32([...value])
  const name = workload.slice(workload.indexOf('.') + 1)
  const checkpoints = [
    { step: 0, name: 'input', tensor: f32([1, 2, 3, 4]) },
    ...(name === 'gemm' ? [{ step: 0, name: 'input-b', tensor: f32([4, 3, 2, 1]) }] : []),
    { step: 0, name, tensor, output: true },
  ]
  // As `js` does, which reads its order back.
  const effective =
    cell.effective ?? Object.fromEntries(Object.entries(cell.knobs ?? {}).map(([k, v]) => [k, String(v)]))
  const executions = [{ checkpoints }, { checkpoints }]
  return to.add({ workload, params: { n: 4 }, backend, ...cell, effective, executions })
}

async function compare(data: SyntheticRun): Promise<Comparison> {
  return (await compareRun(data.data(), data.artifacts))[0] as Comparison
}

describe('the correctly rounded result', () => {
  it('is that of the exact order, wherever it stands in the plan, and the others are measured from it', async () => {
    const sums = run()
    add(sums, 'numpy@2.3.5', { value: 1.5 })
    const exact = add(sums, 'js', { value: 1 + 2 ** -23, knobs: { order: 'exact' } })
    add(sums, 'js', { value: 1 + 2 ** -23, knobs: { order: 'kahan' } })
    add(sums, 'js', { value: 1, knobs: { order: 'sequential' } })
    const { reference, inputs } = await compare(sums)
    expect(inputs).toEqual(['input'])
    expect(reference).toMatchObject({
      class: 'B',
      cells: [exact],
      distances: [
        { class: 'A', statistics: { elements: 1, maxUlp: String(2 ** 22 - 1) } },
        { class: 'C', statistics: { elements: 1, maxUlp: '1' } },
      ],
    })
  })

  it('is told of every version of the backend, and of many elements at once', async () => {
    const products = run()
    add(products, 'js@22', { workload: 'linalg.gemm', value: [1, 2, 3], knobs: { order: 'exact' } })
    add(products, 'openblas', { workload: 'linalg.gemm', value: [1, 2 + 2 ** -22, 3 + 2 ** -20] })
    expect((await compare(products)).reference).toMatchObject({
      class: 'A',
      distances: [{ class: 'B', statistics: { elements: 3, unequal: 2, maxUlp: '4' } }],
    })
  })

  it('is told of nothing that does not round once: another workload, another order, a knob that did not take', async () => {
    const functions = run()
    add(functions, 'js', { workload: 'elementary.exp', value: 1, knobs: { order: 'exact' } })
    add(functions, 'libm', { workload: 'elementary.exp', value: 2 })
    expect(await compare(functions)).toMatchObject({ reference: undefined })
    const ignored = run()
    add(ignored, 'js', { value: 1, knobs: { order: 'exact' }, effective: { order: 'sequential' } })
    add(ignored, 'numpy@2.3.5', { value: 2 })
    expect(await compare(ignored)).toMatchObject({ reference: undefined })
    const silent = run()
    add(silent, 'js', { value: 1, knobs: { order: 'exact' }, effective: {} })
    add(silent, 'numpy@2.3.5', { value: 2 })
    expect(await compare(silent)).toMatchObject({ reference: undefined })
  })

  it('is not told of a NaN, whose bits no rounding says', async () => {
    const undefinedSum = run()
    add(undefinedSum, 'js', { value: NaN, knobs: { order: 'exact' } })
    add(undefinedSum, 'numpy@2.3.5', { value: 2 })
    const { reference, notes } = await compare(undefinedSum)
    expect(reference).toBeUndefined()
    expect(notes).toEqual([expect.stringMatching(/^the exact result has a NaN/)])
  })

  it('is not chosen among two that should be it: one of them is wrong, and that is said', async () => {
    const torn = run()
    for (const agent of ['a', 'b']) {
      add(torn, 'js', { agent, value: agent === 'a' ? 1 : 2, knobs: { order: 'exact' } })
    }
    const { reference, notes } = await compare(torn)
    expect(reference).toBeUndefined()
    expect(notes).toEqual([expect.stringContaining('of several classes, A, B: one of them is wrong')])
  })
})
