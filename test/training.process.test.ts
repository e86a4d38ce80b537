import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Backend, BackendDriver } from '../agent/backends/backend.ts'
import { js } from '../agent/backends/js.ts'
import { tfjsCpu } from '../agent/backends/tfjs-cpu.ts'
import { tfjsWasm } from '../agent/backends/tfjs-wasm.ts'
import { type Digest, digestOf } from '../shared/digest.ts'
import { createTensor, type Tensor } from '../shared/tensor.ts'
import { type Checkpoint, createTrace } from '../shared/trace.ts'
import { isUnsupported } from '../workloads/kernels.ts'
import { cnn } from '../workloads/training/cnn.ts'
import { mlp } from '../workloads/training/mlp.ts'
import { applyNetwork } from '../workloads/training/tfjs-network.ts'
import { mlpReference } from '../workloads/training/mlp-reference.ts'
import { type CheckpointSpec, granularities, type SchemedWorkload, type Workload } from '../workloads/workload.ts'
import { runPython, withoutPython } from './python.ts'

type Condition = [BackendDriver, Record<string, string>]
const onCpu: Condition = [tfjsCpu, {}]
const onPlain: Condition = [tfjsWasm, { variant: 'plain' }]
const onSimd: Condition = [tfjsWasm, { variant: 'simd' }]
const onJs = (order: string): Condition => [js, { order }]

interface Training {
  readonly checkpoints: Checkpoint[]
  readonly digest: string
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly left: number | undefined
}

async function train<P>(
  workload: Workload<P>,
  written: Record<string, unknown>,
  [driver, knobs]: Condition,
  seed = '42',
): Promise<Training> {
  const backend = await driver.open(knobs)
  try {
    return await trainOn(workload, written, driver.id, backend, seed)
  } finally {
    await backend.close()
  }
}

async function trainOn<P>(
  workload: Workload<P>,
  written: Record<string, unknown>,
  id: string,
  { kernels, tf }: Backend,
  seed: string,
): Promise<Training> {
  const params = workload.params.parse(written)
  const checkpoints: Checkpoint[] = []
  const tensors = new Map<string, Tensor>()
  const refusal = await workload.run({
    params,
    seed,
    backend: id,
    kernels,
    tf,
    input: () => expect.unreachable('a training has no input of the user'),
    checkpoint(step, name, tensor) {
      const { dtype, shape, bytes } = createTensor(tensor.dtype, tensor.shape, tensor.bytes)
      checkpoints.push({ seq: checkpoints.length, step, name, dtype, shape, digest: digestOf(bytes) })
      tensors.set(name, tensor)
    },
  })
  if (isUnsupported(refusal)) throw new Error(refusal.unsupported)
  return { checkpoints, digest: createTrace(checkpoints).digest, tensors, left: tf?.memory().numTensors }
}

const place = ({ step, name, dtype, shape }: CheckpointSpec | Checkpoint) => ({ step, name, dtype, shape })

/** What a finer trace says at the places of a coarser schema. */
function project(fine: readonly Checkpoint[], schema: readonly CheckpointSpec[]): (Digest | undefined)[] {
  const digests = new Map(fine.map(({ step, name, digest }) => [`${step} ${name}`, digest]))
  return schema.map(({ step, name }) => digests.get(`${step} ${name}`))
}

const small = { epochs: 2, batch: 600, dropout: 0.5 }
const cases: [string, SchemedWorkload<never>, Record<string, unknown>, Condition][] = [
  ['train.mlp on tfjs-cpu', mlp as never, { ...small, hidden: 5 }, onCpu],
  ['train.mlp on tfjs-wasm', mlp as never, { ...small, hidden: 5 }, onSimd],
  ['train.cnn on tfjs-cpu', cnn as never, { ...small, batch: 300, channels: 1, steps: 6 }, onCpu],
  ['train.cnn on tfjs-wasm', cnn as never, { ...small, channels: 2 }, onPlain],
  ['train.mlp-reference', mlpReference as never, { ...small, hidden: 3 }, onJs('sequential')],
  [
    'train.mlp-reference in f64',
    mlpReference as never,
    { ...small, hidden: 3, dtype: 'f64', dropout: 0 },
    onJs('pairwise'),
  ],
]

describe.each(cases)('%s', { timeout: 60_000 }, (_, workload, params, condition) => {
  it('keeps to its schema at every granularity, and finer traces project onto coarser ones', async () => {
    const finest = await train(workload, { ...params, checkpoints: 'operation' }, condition)
    for (const checkpoints of granularities) {
      const schema = workload.schema({ ...params, checkpoints } as never)
      const training = await train(workload, { ...params, checkpoints }, condition)
      expect(training.checkpoints.map(place)).toEqual(schema.map(place))
      expect(project(finest.checkpoints, schema)).toEqual(training.checkpoints.map(({ digest }) => digest))
    }
  })

  it('has more places at each finer granularity, none of them twice', () => {
    const schemas = granularities.map((checkpoints) => workload.schema({ ...params, checkpoints } as never))
    schemas.reduce((coarse, fine) => {
      expect(fine.length).toBeGreaterThan(coarse.length)
      return fine
    })
    for (const schema of schemas) {
      expect(new Set(schema.map(({ step, name }) => `${step} ${name}`)).size).toBe(schema.length)
      const outputs = schema.filter(({ role }) => role === 'output').map(({ name }) => name)
      expect(outputs).toEqual([
        'loss',
        ...schema.filter(({ step, name }) => step === 0 && name.startsWith('weights/')).map(({ name }) => name),
        'logits',
        'labels',
        'correct',
      ])
    }
  })

  it('gives the same bits for a seed and others for another', async () => {
    const once = await train(workload, params, condition)
    expect((await train(workload, params, condition)).digest).toBe(once.digest)
    const other = await train(workload, params, condition, '43')
    const equal = once.checkpoints.filter(({ digest }, i) => digest === other.checkpoints[i]?.digest)
    // Biases start at 0 for every seed, and two batches have but two orders.
    const may = /^(weights\/.*\/bias|batch-order\/.*)$/
    expect(equal.map(({ name }) => name).filter((name) => !may.test(name))).toEqual([])
  })

  it('leaves no tensor behind', async () => {
    expect((await train(workload, params, condition)).left ?? 0).toBe(0)
  })
})

describe('trainings on tfjs', { timeout: 120_000 }, () => {
  it.each([
    ['train.mlp', mlp as SchemedWorkload<never>, {}],
    ['train.cnn', cnn as SchemedWorkload<never>, { channels: 4, epochs: 4 }],
  ])(
    '%s learns, and parts between the libraries and instruction sets by arithmetic alone',
    async (_, workload, params) => {
      const trainings: Training[] = []
      for (const condition of [onCpu, onPlain, onSimd]) trainings.push(await train(workload, params, condition))
      expect(new Set(trainings.map(({ digest }) => digest)).size).toBe(3)
      const inputs = workload.schema(params as never).filter(({ role }) => role === 'input').length
      for (const { checkpoints, tensors } of trainings) {
        expect(project(checkpoints.slice(0, inputs), workload.schema(params as never).slice(0, inputs))).toEqual(
          trainings[0]?.checkpoints.slice(0, inputs).map(({ digest }) => digest),
        )
        const correct = new Int32Array((tensors.get('correct') as Tensor).bytes.slice().buffer)[0] as number
        expect(correct).toBeGreaterThan(0.9 * 360)
      }
    },
  )

  it('say why they cannot run without the tfjs API', async () => {
    await expect(train(mlp, {}, onJs('sequential'))).rejects.toThrow('js has no automatic differentiation')
  })
})

describe('the gradient of a convolution', () => {
  /** Small whole numbers, so that every sum is exact in any order. */
  const whole = (n: number, k: number) => Array.from({ length: n }, (_, i) => ((i * k) % 7) - 3)

  it.each([
    ['tfjs-cpu', ...onCpu],
    ['tfjs-wasm plain', ...onPlain],
    ['tfjs-wasm simd', ...onSimd],
  ] as const)('is what the definition says, on %s', async (_, driver, knobs) => {
    const backend = await driver.open(knobs)
    const tf = backend.tf as NonNullable<Backend['tf']>
    const [n, side, channels, filters, inner] = [2, 5, 2, 3, 3]
    const [x, k, dy] = [
      whole(n * side * side * channels, 3),
      whole(9 * channels * filters, 5),
      whole(n * 9 * filters, 2),
    ]
    const network = {
      input: [side, side, channels],
      layers: [
        {
          kind: 'convolution' as const,
          name: 'conv1',
          shape: [inner, inner, filters],
          parameters: ['conv1/kernel', 'conv1/bias'].map((name) => ({ name, shape: [], fanIn: 0 })),
        },
      ],
    }
    const gradients = tf.grads((images, kernel, bias) => {
      const weights = new Map([
        ['conv1/kernel', kernel as never],
        ['conv1/bias', bias as never],
      ])
      return tf.sum(
        tf.mul(applyNetwork(tf, network, weights, images as never), tf.tensor(dy, [n, inner, inner, filters])),
      )
    })([tf.tensor(x, [n, side, side, channels]), tf.tensor(k, [3, 3, channels, filters]), tf.zeros([filters])])
    const [dx, dk, db] = gradients.map((gradient) => [...gradient.dataSync()])
    await backend.close()

    const expectedX = x.map(() => 0)
    const expectedK = k.map(() => 0)
    const expectedB = new Array<number>(filters).fill(0)
    dy.forEach((slope, at) => {
      const d = at % filters
      const w = Math.floor(at / filters) % inner
      const h = Math.floor(at / filters / inner) % inner
      const image = Math.floor(at / filters / inner / inner)
      expectedB[d] = (expectedB[d] as number) + slope
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < 3; j++) {
          for (let c = 0; c < channels; c++) {
            const atX = ((image * side + h + i) * side + w + j) * channels + c
            const atK = ((i * 3 + j) * channels + c) * filters + d
            expectedX[atX] = (expectedX[atX] as number) + slope * (k[atK] as number)
            expectedK[atK] = (expectedK[atK] as number) + slope * (x[atX] as number)
          }
        }
      }
    })
    expect([dx, dk, db]).toEqual([expectedX, expectedK, expectedB])
  })
})

describe('train.mlp-reference', { timeout: 120_000 }, () => {
  const tiny = { epochs: 1, steps: 5, batch: 8, hidden: 4, checkpoints: 'operation' }
  const golden = '60f74feb114f7237cf46e9e418e527d1fcb69c31b7c9045e5e19c877f912fe7f'

  it('has the trace that is committed', async () => {
    expect((await train(mlpReference, tiny, onJs('sequential'))).digest).toBe(golden)
  })

  it.skipIf(withoutPython('recomputation of train.mlp-reference'))('has the trace that Python computes', () => {
    const script = fileURLToPath(new URL('golden/mlp_reference.py', import.meta.url))
    const { stdout, stderr } = runPython([script, '--digest'])
    expect(stdout.trim(), stderr).toBe(golden)
  })

  it('has the final weights it has everywhere', async () => {
    const { digest, checkpoints } = await train(
      mlpReference,
      { epochs: 1, checkpoints: 'operation' },
      onJs('sequential'),
    )
    // python3 test/golden/mlp_reference.py --batch 32 --hidden 32 --steps 44
    expect(digest).toBe('d6880d000ccccf82a229e6cf97d71bb462500687ad182cc627712d6311874c9d')
    const kernel = checkpoints.findLast(({ name }) => name === 'weights/dense1/kernel')
    expect(kernel?.digest).toBe('sha256:f770b6cfa1b99ea37c7fc906a5811d44a40b65946d70591173ad72f6a5f5e6b7')
  })

  it('moves with the accumulation order, and only after the inputs', async () => {
    const orders = ['sequential', 'reverse', 'pairwise', 'lanes:8', 'fma', 'exact']
    const trainings: Training[] = []
    for (const order of orders) trainings.push(await train(mlpReference, tiny, onJs(order)))
    expect(new Set(trainings.map(({ digest }) => digest)).size).toBe(orders.length)
    const parted = trainings.slice(1).map(({ checkpoints }) => {
      const at = checkpoints.findIndex(({ digest }, i) => digest !== trainings[0]?.checkpoints[i]?.digest)
      return checkpoints[at]?.name
    })
    expect(parted).toEqual(parted.map(() => 'forward/dense1'))
  })

  it('is defined on js alone', async () => {
    await expect(train(mlpReference, tiny, onCpu)).rejects.toThrow('accumulation orders of backend js')
  })

  it('refuses parameters it does not have', () => {
    expect(() => mlpReference.params.parse({ optimiser: 'adam' })).toThrow('optimiser')
    expect(() => mlpReference.params.parse({ batch: 1438 })).toThrow('1437')
    expect(() => mlpReference.params.parse({ dropout: 1 })).toThrow('dropout')
  })
})
