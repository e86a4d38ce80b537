import { beforeAll, describe, expect, it } from 'vitest'
import { tfjsCpu } from '../agent/backends/tfjs-cpu.ts'
import { tfjsWasm } from '../agent/backends/tfjs-wasm.ts'
import type { Trace } from '../shared/trace.ts'
import { exactStepOnJs, exactStepOnTfjs, exactTraceDigest, traceOf } from './exact-training.ts'

describe('a step of training in which nothing is rounded', () => {
  let reference: Trace
  beforeAll(async () => {
    reference = await exactStepOnJs('sequential')
  })

  it('has the trace digest that the documentation tells', () => {
    expect(reference.digest).toBe(exactTraceDigest)
  })

  it('has a checkpoint for every operation, and no two equal by being empty', () => {
    expect(reference.checkpoints.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['forward/softmax', 'loss', 'backward/dense1/kernel', 'update/dense2/bias']),
    )
    const computed = reference.checkpoints.filter(({ step }) => step === 1)
    expect(computed.length).toBeGreaterThan(12)
    expect(new Set(computed.map(({ digest }) => digest)).size).toBeGreaterThan(12)
  })

  it('takes no trace of another schema for one of this', () => {
    expect(() => traceOf(reference.checkpoints.slice(0, -1))).toThrow(/is not there, not 1 update\/dense2\/bias/)
    const turned = reference.checkpoints.map((made) => ({ ...made, shape: made.shape.toReversed() }))
    expect(() => traceOf(turned)).toThrow(/checkpoint 0 is /)
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
      expect(await exactStepOnTfjs(backend.tf as NonNullable<typeof backend.tf>)).toEqual(reference)
    } finally {
      await backend.close()
    }
  })
})
