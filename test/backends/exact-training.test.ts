import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tfjsCpu } from '../../agent/backends/tfjs-cpu.ts'
import { tfjsWasm } from '../../agent/backends/tfjs-wasm.ts'
import { blis } from '../../agent/backends/blis.ts'
import { openblas } from '../../agent/backends/openblas.ts'
import { readInstalled } from '../../agent/provision/installed.ts'
import { backendName } from '../../shared/backend-description.ts'
import type { Trace } from '../../shared/trace.ts'
import { exactStepInstalled } from '../exact-training-elsewhere.ts'
import {
  exactConvolutionalDigest,
  exactStepOnJs,
  exactStepOnProducts,
  exactStepOnTfjs,
  exactTraceDigest,
} from '../exact-training.ts'
import { needs } from '../needs.ts'
import { addedPython, askPython, pythonDriver } from '../python-runner.ts'

// One step of training in which nothing is rounded, forward and backward, on every library that is installed: the same
// schema, the same layouts, and so the very same trace. What differs between libraries elsewhere is rounding alone.

const state = process.env.BITFLEET_TEST_STATE ?? ''
const installed = (state === '' ? [] : readInstalled([join(resolve(state), 'backends')])).flatMap((entry) =>
  entry.status === 'installed' ? [entry] : [],
)
for (const name of ['js', 'onnxruntime', 'tensorflow', 'numpy', 'pytorch', 'jax']) {
  needs(
    `an exact step of training on ${name}`,
    installed.some(({ id }) => backendName(id) === name),
    `BITFLEET_TEST_STATE names no state folder with ${name}@VERSION`,
  )
}

describe('a step of training in which nothing is rounded has one trace', async () => {
  const reference: Trace = await exactStepOnJs('sequential')

  it('which docs/python.md tells', () => expect(reference.digest).toBe(exactTraceDigest))

  it.each(['sequential', 'pairwise', 'lanes:8', 'fma', 'exact'])('on js in the order %s', async (order) => {
    expect(await exactStepOnJs(order)).toEqual(reference)
  })

  it.each([
    ['tfjs-cpu', tfjsCpu, {}],
    ['tfjs-wasm plain', tfjsWasm, { variant: 'plain' }],
    ['tfjs-wasm simd', tfjsWasm, { variant: 'simd' }],
  ] as const)('on %s', async (_, driver, knobs) => {
    const backend = await driver.open(knobs)
    expect(await exactStepOnTfjs(backend.tf as NonNullable<typeof backend.tf>)).toEqual(reference)
    await backend.close()
  })

  it.each([openblas, blis])('by the products of $id', async (driver) => {
    const found = await driver.detect()
    if (needs(`products of ${driver.id}`, found.status === 'ready', 'it is not installed')) return
    const backend = await driver.open({})
    expect(await exactStepOnProducts(backend.kernels.gemm)).toEqual(reference)
    await backend.close()
  })

  const trains = installed.filter(({ id }) => /^(?:tensorflow|pytorch|jax)@/.test(id))
  it.each(trains)('on $id', async (entry) => expect(await exactStepInstalled(entry)).toEqual(reference))

  it.each(trains)('on $id, of the convolutional network too', async (entry) => {
    const backend = await tfjsCpu.open({})
    const reference = await exactStepOnTfjs(backend.tf as NonNullable<typeof backend.tf>, 'cnn')
    await backend.close()
    expect(reference.digest).toBe(exactConvolutionalDigest)
    expect(await exactStepInstalled(entry, 'cnn')).toEqual(reference)
  })

  // js@VERSION computes all of it in plain arithmetic; ONNX Runtime trains nothing, and its products are its own.
  const multiplies = installed.filter(({ id }) => /^(?:js|onnxruntime)@/.test(id))
  it.each(multiplies)('by the products of $id', async (entry) => {
    expect(await exactStepInstalled(entry)).toEqual(reference)
  })

  it.each(addedPython('numpy'))('by the products of $id, which says that it cannot train', async (library) => {
    const { kernels } = await pythonDriver(library).open({})
    expect(await exactStepOnProducts(kernels.gemm)).toEqual(reference)
    const told = await askPython(library, { workload: 'train.mlp', params: { steps: 1 } })
    expect(told.last).toMatchObject({
      type: 'unsupported',
      reason: expect.stringContaining('no automatic differentiation'),
    })
  })
})
