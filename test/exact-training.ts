import type * as tfjs from '@tensorflow/tfjs-core'
import { js } from '../agent/backends/js.ts'
import { type Digest, digestOf } from '../shared/digest.ts'
import { encodeFloats } from '../shared/half.ts'
import { type Tensor, bytesOf, createTensor } from '../shared/tensor.ts'
import { testCount, trainCount } from '../workloads/data/digits.ts'
import { isUnsupported } from '../workloads/kernels.ts'
import type { TrainingInputs } from '../workloads/training/inputs.ts'
import { createPerceptron } from '../workloads/training/network.ts'
import { createPlainArithmetic } from '../workloads/training/plain-arithmetic.ts'
import { trainPlainly } from '../workloads/training/plain-training.ts'
import type { Recorder } from '../workloads/training/recorder.ts'
import { trainOnTfjs } from '../workloads/training/tfjs-training.ts'

// One step of training in which nothing is rounded, so that no order, width or fusion can show: whole numbers and
// powers of two throughout. Whatever computes it otherwise computes something else.
//
// - Logits of a row lie 256 or more apart, so that softmax is 1 at the largest and e^−256 = 0 elsewhere. TensorFlow has
//   some 10^−38 there, for its e^x ends at x = −88; so on tfjs probabilities count from a half, and are 0 below.
// - No row is classified rightly, and no activation is 0: a gradient of nothing but signed zeros would be −0 or +0 as
//   its sum begins with its first term or with +0, and IEEE 754 leaves that open.

const [pixels, hidden, classes, batch] = [64, 8, 10, 32]
const network = createPerceptron(hidden, pixels, classes)
const params = {
  dataset: 'digits',
  ...{ epochs: 1, batch, learningRate: 2 ** -4, momentum: 0.5, dropout: 0.5, steps: 1 },
  checkpoints: 'operation',
} as const

const f32 = (shape: number[], value: (i: number) => number) => {
  const count = shape.reduce((product, extent) => product * extent, 1)
  return createTensor(
    'f32',
    shape,
    encodeFloats(
      'f32',
      Float64Array.from({ length: count }, (_, i) => value(i)),
    ),
  )
}
const i32 = (shape: number[], value: (i: number) => number) => {
  const count = shape.reduce((product, extent) => product * extent, 1)
  return createTensor('i32', shape, bytesOf(Int32Array.from({ length: count }, (_, i) => value(i))))
}

const image = (row: number, pixel: number) => ((row * 7 + pixel * pixel + (row >> 3) * pixel) % 3) + 1
const first = (pixel: number, unit: number) => ((pixel * 5 + unit * 3) % 2) + 1
/** Never 0; multiples of 4096, so that a logit is, modulo 4096, its bias. */
const second = (unit: number, digit: number) => ([-2, -1, 1, 2][(unit * 3 + digit * digit + 1) % 4] as number) * 4096
const bias = (digit: number) => digit * 256
const kept = (row: number, unit: number) => ((row + unit * unit) % 3 === 0 ? 0 : 1)

/** The digit whose logit is the largest, in whole numbers. */
function predicted(row: number): number {
  const units = Array.from({ length: hidden }, (_, unit) => {
    let sum = 1
    for (let pixel = 0; pixel < pixels; pixel++) sum += image(row, pixel) * first(pixel, unit)
    return sum * kept(row, unit) * 2
  })
  const logits = Array.from({ length: classes }, (_, digit) =>
    units.reduce((sum, unit, i) => sum + unit * second(i, digit), bias(digit)),
  )
  return logits.indexOf(Math.max(...logits))
}

function exactInputs(): TrainingInputs {
  const images = (count: number) => f32([count, 8, 8, 1], (i) => image(Math.floor(i / pixels) % batch, i % pixels))
  return {
    train: { images: images(trainCount), labels: i32([trainCount], (row) => (predicted(row % batch) + 1) % classes) },
    test: { images: images(testCount), labels: i32([testCount], () => 0) },
    weights: [
      f32([pixels, hidden], (i) => first(Math.floor(i / hidden), i % hidden)),
      f32([hidden], () => 1),
      f32([hidden, classes], (i) => second(Math.floor(i / classes), i % classes)),
      f32([classes], bias),
    ],
    epochs: [
      {
        shuffle: i32([trainCount], (i) => i),
        batchOrder: i32([Math.floor(trainCount / batch)], (i) => i),
        kept: createTensor(
          'bool',
          [Math.floor(trainCount / batch), batch, hidden],
          Uint8Array.from({ length: Math.floor(trainCount / batch) * batch * hidden }, (_, i) =>
            kept(Math.floor(i / hidden) % batch, i % hidden),
          ),
        ),
      },
    ],
  }
}

/** What one step makes, by name, up to the updated weights; what comes after them is rounded. */
export type ExactStep = Record<string, Digest>

function recorder(made: ExactStep): Recorder {
  return {
    offer(_, name, make) {
      if (!/^(?:logits|labels|correct)$/.test(name)) made[name] = digestOf(make().bytes)
    },
  }
}

/** On the tfjs backend in force. */
export function exactStepOnTfjs(tf: typeof tfjs): ExactStep {
  const made: ExactStep = {}
  const softmax: typeof tf.softmax = (logits) => tf.step(tf.sub(tf.softmax(logits), tf.scalar(0.5)))
  trainOnTfjs({ ...tf, softmax }, network, params, exactInputs(), recorder(made))
  return made
}

/** In plain arithmetic, sums in an order of backend `js`. */
export async function exactStepOnJs(order: string): Promise<ExactStep> {
  const backend = await js.open({ order })
  const made: ExactStep = {}
  const multiply = async (a: Tensor, b: Tensor) => {
    const product = await backend.kernels.gemm?.(a, b)
    if (product === undefined || isUnsupported(product)) throw new Error(`js has no product in order ${order}`)
    return product
  }
  await trainPlainly(network, params, createPlainArithmetic('f32'), exactInputs(), multiply, recorder(made))
  await backend.close()
  return made
}
