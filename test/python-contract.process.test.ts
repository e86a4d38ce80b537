import { describe, expect, it } from 'vitest'
import { js } from '../agent/backends/js.ts'
import { tfjsCpu } from '../agent/backends/tfjs-cpu.ts'
import type { Backend } from '../agent/backends/backend.ts'
import { digestOf } from '../shared/digest.ts'
import { decodeFloats, encodeFloats } from '../shared/half.ts'
import { createTensor, elementCount, type Tensor } from '../shared/tensor.ts'
import { isUnsupported } from '../workloads/kernels.ts'
import { workloads } from '../workloads/index.ts'
import type { SchemedWorkload, Workload } from '../workloads/workload.ts'
import { backendContract } from './contracts/backend.ts'
import { needs } from './needs.ts'
import { addedPython, askPython, type PythonBackend, pythonDriver, testNumpy, type Told } from './python-runner.ts'
import { withoutNumpy } from './python.ts'

// What libraries of Python compute against what the same workloads are elsewhere: schemas, inputs, layouts, bits where
// they must be equal.

const hasNumpy = !withoutNumpy('libraries of Python')
const added = (['numpy', 'pytorch', 'jax'] as const).flatMap(addedPython)
const libraries: PythonBackend[] = [...(hasNumpy ? [testNumpy] : []), ...added]
const trainers = added.filter(({ id }) => !id.startsWith('numpy'))

for (const name of ['pytorch', 'jax'] as const) {
  needs(
    `${name} in Python`,
    addedPython(name).length > 0,
    `BITFLEET_TEST_STATE names no state folder with ${name}@VERSION`,
  )
}

describe.skipIf(!hasNumpy)('backend numpy', () => {
  backendContract(pythonDriver(testNumpy), 'ready')
})

interface Made {
  readonly step: number
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly role: string
}

const place = ({ step, name, dtype, shape, role }: Made) => ({ step, name, dtype, shape: [...shape], role })

/** As a runner of Node makes them. */
async function makeHere(workload: Workload, params: Record<string, unknown>, { kernels, tf }: Backend, id: string) {
  const made: { name: string; step: number; tensor: Tensor }[] = []
  const result = await workload.run({
    ...{ params: workload.params.parse(params), seed: '42', backend: id, kernels, tf },
    input: () => expect.fail('there is no input'),
    checkpoint: (step, name, tensor) => made.push({ step, name, tensor }),
  })
  return isUnsupported(result) ? undefined : made
}

const small: Record<string, Record<string, unknown>[]> = {
  reduce: [{ n: 300, data: 'wide' }, { n: 0 }, { n: 31, dtype: 'f64', data: 'cancelling' }],
  'linalg.gemv': [{ m: 5, n: 70 }, { m: 3 }],
  'linalg.gemm': [{ m: 3, k: 50, n: 4, dtype: 'f64' }, { n: 6 }],
  elementary: [{ n: 100 }, { n: 7, domain: [0.25, 0.5], dtype: 'f64' }],
  nn: [{ rows: 3, n: 40 }],
  'nn.conv2d': [
    { batch: 1, height: 5, channels: 3, filters: 2 },
    { kernel: 2, width: 7 },
  ],
  train: [{ steps: 2, checkpoints: 'operation' }],
}
/** Enough of the functions of one argument: they differ by name alone. */
const passedOver = /^elementary\.(?!exp$|sqrt$|asin$|pow$|atan2$|cbrt$)/

const shared = workloads.filter(
  (workload): workload is SchemedWorkload =>
    workload.schema !== undefined && workload.id !== 'train.mlp-reference' && !passedOver.test(workload.id),
)

describe.each(libraries)('$id', (library) => {
  it.each(shared.map((workload) => [workload.id, workload] as const))(
    '%s has the schema and the inputs it has everywhere',
    { timeout: 170_000 },
    async (id, workload) => {
      const reference = await tfjsCpu.open({})
      const plain = await js.open({})
      for (const params of small[id] ?? small[id.split('.')[0] as string] ?? []) {
        const told = await askPython(library, { workload: id, params })
        if (told.last?.type === 'unsupported') {
          expect(told.last.reason).not.toBe('')
          expect(id).toMatch(/^(train|elementary\.cbrt)/)
          continue
        }
        expect(told.last, told.log).toMatchObject({ type: 'finished' })
        const parsed = workload.params.parse(params)
        expect(told.checkpoints.map(place)).toEqual(workload.schema(parsed).map(place))
        const here = (await makeHere(workload, params, id.startsWith('train') ? reference : plain, 'js')) ?? []
        const inputs = told.checkpoints.filter(({ role }) => role === 'input')
        const expected = inputs.map(({ digest, name }) => ({ digest, name }))
        expect(
          here.slice(0, inputs.length).map(({ name, tensor }) => ({ name, digest: digestOf(tensor.bytes) })),
        ).toEqual(expected)
      }
      await reference.close()
    },
  )

  it('has the very bits of the reference where whole numbers leave no choice', { timeout: 170_000 }, async () => {
    const whole = (...shape: number[]) =>
      createTensor(
        'f32',
        shape,
        encodeFloats(
          'f32',
          Array.from({ length: elementCount(shape) }, (_, i) => ((i * 37) % 23) - 11),
        ),
      )
    const { kernels } = await js.open({})
    const calls = [
      ['reduce.sum', [whole(1001)], () => kernels.sum?.(whole(1001))],
      ['reduce.dot', [whole(77), whole(77)], () => kernels.dot?.(whole(77), whole(77))],
      ['linalg.gemv', [whole(9, 40), whole(40)], () => kernels.gemv?.(whole(9, 40), whole(40))],
      ['linalg.gemm', [whole(9, 40), whole(40, 5)], () => kernels.gemm?.(whole(9, 40), whole(40, 5))],
      [
        'nn.conv2d',
        [whole(2, 7, 6, 3), whole(3, 2, 3, 4)],
        () => kernels.conv2d?.(whole(2, 7, 6, 3), whole(3, 2, 3, 4)),
      ],
    ] as const
    for (const [workload, operands, compute] of calls) {
      const [x, y] = operands.map(({ bytes }, i) => ({ file: `${i}.npy`, digest: digestOf(bytes) }))
      const params = { input: x, ...(y === undefined ? {} : { inputB: y }) }
      const told = await askPython(library, { workload, params, inputs: operands })
      const expected = (await compute()) as Tensor
      expect(told.checkpoints.at(-1), workload).toMatchObject({
        shape: [...expected.shape],
        digest: digestOf(expected.bytes),
      })
    }
  })

  it.skipIf(library.id.startsWith('pytorch'))('takes square roots as IEEE 754 rounds them', async () => {
    const params = { dtype: 'f32', n: 5000 }
    const told = await askPython(library, { workload: 'elementary.sqrt', params })
    const workload = workloads.find(({ id }) => id === 'elementary.sqrt') as Workload
    const here = await makeHere(workload, params, await js.open({}), 'js')
    expect(told.checkpoints.at(-1)?.digest).toBe(digestOf(here?.at(-1)?.tensor.bytes as Uint8Array))
  })
})

describe.each(trainers)('training in $id', (library) => {
  it.each(['train.mlp', 'train.cnn'])(
    '%s computes what TensorFlow.js does, operation by operation, in the same layouts',
    { timeout: 170_000 },
    async (id) => {
      const params = { steps: 1, checkpoints: 'operation', batch: 16 }
      const told = await askPython(library, { workload: id, params })
      const workload = workloads.find((one) => one.id === id) as Workload
      const here = (await makeHere(workload, params, await tfjsCpu.open({}), 'tfjs-cpu')) ?? []
      expect(told.checkpoints).toHaveLength(here.length)
      here.forEach(({ name, tensor }, i) => {
        const theirs = told.checkpoints[i]
        expect(theirs?.name).toBe(name)
        if (tensor.dtype === 'f32') {
          // Bits differ; a transposed tensor or another formula would differ in everything.
          expect(distance(tensor, told.checkpoints[i]), name).toBeLessThan(1e-4)
        } else expect(theirs?.digest, name).toBe(digestOf(tensor.bytes))
      })
    },
  )

  it('makes the same bits twice, and finer checkpoints of the same training', { timeout: 170_000 }, async () => {
    const train = (checkpoints: string) =>
      askPython(library, { workload: 'train.mlp', params: { steps: 3, checkpoints } })
    const [end, again, operations] = [await train('end'), await train('end'), await train('operation')]
    const digests = ({ checkpoints }: Told) => checkpoints.map(({ step, name, digest }) => `${step} ${name} ${digest}`)
    expect(digests(again)).toEqual(digests(end))
    expect(digests(operations)).toEqual(expect.arrayContaining(digests(end)))
  })
})

/** Largest difference of two tensors, in parts of the largest element. */
function distance(a: Tensor, b: Told['checkpoints'][number] | undefined): number {
  const [x, y] = [decodeFloats(a), decodeFloats(createTensor('f32', a.shape, b?.bytes as Uint8Array))]
  const scale = x.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-30)
  return x.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (y[i] as number)) / scale), 0)
}
