import { decodeFloats, encodeFloats } from '../../shared/half.ts'
import { drawTensor } from '../../shared/random/data-kinds.ts'
import { createStream } from '../../shared/random/stream.ts'
import { type Tensor, bytesOf, createTensor, elementCount } from '../../shared/tensor.ts'
import { digitCount, digitPixels, digitSide, readDigits, trainCount } from '../data/digits.ts'
import { type Network, parametersOf } from './network.ts'
import type { TrainingParams } from './params.ts'
import { createSchedule } from './schedule.ts'
import type { TrainingStream } from './streams.ts'

export interface LabelledImages {
  /** [n, 8, 8, 1], pixels from 0 to 1. */
  readonly images: Tensor
  /** i32 [n] */
  readonly labels: Tensor
}

/** One pass over the training data: what is fed to each step, drawn beforehand. */
export interface EpochInputs {
  /** i32, a permutation of the training images; each `batch` of them in a row are a batch. */
  readonly shuffle: Tensor
  /** i32, the order in which batches are taken. */
  readonly batchOrder: Tensor
  /** bool [steps, batch, …], the activations that dropout keeps. */
  readonly kept?: Tensor
}

/** Everything random in a training, made on the host by exact operations: every machine has the same. */
export interface TrainingInputs {
  readonly train: LabelledImages
  readonly test: LabelledImages
  /** In the order of the network's parameters. */
  readonly weights: readonly Tensor[]
  readonly epochs: readonly EpochInputs[]
}

/**
 * Draws the inputs from the streams of `streams.ts`. Pixels are divided by 16, exactly. Kernels are of data kind
 * `normal`, one after another from one stream, times the largest power of two s with s² ≤ 2/fan-in, exactly; biases 0.
 *
 * @see He, Zhang, Ren, Sun: Delving Deep into Rectifiers. ICCV 2015, §2.2 (whose factor is √(2/fan-in) itself)
 */
export function createTrainingInputs(
  network: Network,
  params: TrainingParams,
  seed: string,
  dtype: 'f32' | 'f64' = 'f32',
): TrainingInputs {
  const stream = (name: TrainingStream) => createStream(seed, name)
  const split = stream('split').permutation(digitCount)
  const weights = stream('weights')
  const [shuffles, orders, drops] = [stream('shuffle'), stream('batch-order'), stream('dropout')]
  const { epochs, stepsPerEpoch } = createSchedule(params)
  const dropout = network.layers.find(({ kind }) => kind === 'dropout')
  return {
    train: selectImages(split.subarray(0, trainCount), dtype),
    test: selectImages(split.subarray(trainCount), dtype),
    weights: parametersOf(network).map(({ shape, fanIn }) => {
      if (fanIn === 0) return createTensor(dtype, shape, encodeFloats(dtype, new Float64Array(elementCount(shape))))
      const scale = initialScale(fanIn)
      const values = decodeFloats(drawTensor('normal', dtype, shape, weights)).map((value) => value * scale)
      return createTensor(dtype, shape, encodeFloats(dtype, values))
    }),
    epochs: Array.from({ length: epochs }, () => ({
      shuffle: indexTensor(shuffles.permutation(trainCount)),
      batchOrder: indexTensor(orders.permutation(stepsPerEpoch)),
      ...(dropout &&
        params.dropout > 0 && {
          kept: drawKept(params.dropout, [stepsPerEpoch, params.batch, ...dropout.shape], (n) => drops.uniform32(n)),
        }),
    })),
  }
}

/** The largest power of two whose square is at most 2/fan-in. */
export function initialScale(fanIn: number): number {
  let scale = 1
  while (scale * scale * fanIn > 2) scale /= 2
  return scale
}

function selectImages(rows: Uint32Array, dtype: 'f32' | 'f64'): LabelledImages {
  const { pixels, classes } = readDigits()
  const values = new Float64Array(rows.length * digitPixels)
  rows.forEach((row, i) => {
    for (let j = 0; j < digitPixels; j++) values[i * digitPixels + j] = (pixels[row * digitPixels + j] as number) / 16
  })
  const labels = Int32Array.from(rows, (row) => classes[row] as number)
  return {
    images: createTensor(dtype, [rows.length, digitSide, digitSide, 1], encodeFloats(dtype, values)),
    labels: createTensor('i32', [rows.length], bytesOf(labels)),
  }
}

function indexTensor(indices: Uint32Array): Tensor {
  return createTensor('i32', [indices.length], bytesOf(Int32Array.from(indices)))
}

function drawKept(rate: number, shape: readonly number[], uniform: (n: number) => Float32Array): Tensor {
  const kept = Uint8Array.from(uniform(elementCount(shape)), (value) => (value >= rate ? 1 : 0))
  return createTensor('bool', shape, kept)
}
