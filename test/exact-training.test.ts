import { beforeAll, describe, expect, it } from 'vitest'
import { tfjsCpu } from '../agent/backends/tfjs-cpu.ts'
import { tfjsWasm } from '../agent/backends/tfjs-wasm.ts'
import { type ExactStep, exactStepOnJs, exactStepOnTfjs } from './exact-training.ts'

describe('a step of training in which nothing is rounded', () => {
  let reference: ExactStep
  beforeAll(async () => {
    reference = await exactStepOnJs('sequential')
  })

  it('has a checkpoint for every operation, and no two equal by being empty', () => {
    expect(Object.keys(reference)).toEqual(
      expect.arrayContaining(['forward/softmax', 'loss', 'backward/dense1/kernel', 'update/dense2/bias']),
    )
    expect(new Set(Object.values(reference)).size).toBeGreaterThan(12)
  })

  it.each(['pairwise', 'lanes:8', 'exact'])('has the same bits in the order %s', async (order) => {
    expect(await exactStepOnJs(order)).toEqual(reference)
  })

  it.each([
    ['tfjs-cpu', tfjsCpu, {}],
    ['tfjs-wasm plain', tfjsWasm, { variant: 'plain' }],
    ['tfjs-wasm simd', tfjsWasm, { variant: 'simd' }],
  ] as const)('has the same bits on %s', async (_, driver, knobs) => {
    const backend = await driver.open(knobs)
    try {
      expect(exactStepOnTfjs(backend.tf as NonNullable<typeof backend.tf>)).toEqual(reference)
    } finally {
      await backend.close()
    }
  })
})
