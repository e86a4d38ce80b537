import type * as tfjs from '@tensorflow/tfjs-core'
import { js } from '../agent/backends/js.ts'
import { digestOf } from '../shared/digest.ts'
import { encodeFloats } from '../shared/half.ts'
import { type Tensor, bytesOf, createTensor } from '../shared/tensor.ts'
import { type Checkpoint, type Trace, createTrace } from '../shared/trace.ts'
import { testCount, trainCount } from '../workloads/data/digits.ts'
import { type Kernels, isUnsupported } from '../workloads/kernels.ts'
import { type Batch, createBatch } from '../workloads/training/batch.ts'
import type { TrainingInputs } from '../workloads/training/inputs.ts'
import { createPerceptron } from '../workloads/training/network.ts'
import { createPlainArithmetic } from '../workloads/training/plain-arithmetic.ts'
import { trainPlainly } from '../workloads/training/plain-training.ts'
import { type Recorder, createRecorder, offerInputs } from '../workloads/training/recorder.ts'
import { createSchedule, trainingSchema } from '../workloads/training/schedule.ts'
import { trainOnTfjs } from '../workloads/training/tfjs-training.ts'
import type { CheckpointSpec } from '../workloads/workload.ts'

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

/** Of every library there is; docs/python.md tells it. */
export const exactTraceDigest = 'cf6579f8524490c588e17016a753a85fab328afec69fbed100c4bb936d0a1b55'

/** What the step is made of, for a program that is not this one. */
export interface ExactProblem {
  readonly hidden: number
  readonly params: typeof params
  readonly inputs: TrainingInputs
  /** As the network takes it. */
  readonly batch: Batch
  /** The schema of `train.mlp` up to the updated weights; what comes after them is rounded. */
  readonly places: readonly CheckpointSpec[]
}

export function exactProblem(): ExactProblem {
  const inputs = exactInputs()
  const schema = trainingSchema(network, params)
  const places = schema.slice(0, schema.findLastIndex(({ name }) => name.startsWith('update/')) + 1)
  return { hidden, params, inputs, places, batch: createBatch(network, params, inputs, createSchedule(params), 1) }
}

/** Runs a program of the step and traces what it offers. @throws where it does not keep to the schema */
async function traced(program: (inputs: TrainingInputs, recorder: Recorder) => unknown): Promise<Trace> {
  const { inputs, places } = exactProblem()
  const made: Checkpoint[] = []
  const recorder = createRecorder(places, (step, name, { dtype, shape, bytes }) =>
    made.push({ seq: made.length, step, name, dtype, shape: [...shape], digest: digestOf(bytes) }),
  )
  offerInputs(recorder, network, inputs)
  await program(inputs, recorder)
  return traceOf(made)
}

/** @throws where these are not the checkpoints of the schema */
export function traceOf(made: readonly Checkpoint[]): Trace {
  const place = ({ step, name, dtype, shape }: Omit<CheckpointSpec, 'role'>) =>
    `${step} ${name} ${dtype}[${shape.join()}]`
  const [found, wanted] = [made.map(place), exactProblem().places.map(place)]
  const at = wanted.findIndex((place, i) => place !== found[i])
  if (at >= 0 || found.length !== wanted.length) {
    throw new Error(`checkpoint ${at} is ${found[at] ?? 'not there'}, not ${wanted[at] ?? 'the end'}`)
  }
  return createTrace(made)
}

/** On the tfjs backend in force. */
export function exactStepOnTfjs(tf: typeof tfjs): Promise<Trace> {
  const softmax: typeof tf.softmax = (logits) => tf.step(tf.sub(tf.softmax(logits), tf.scalar(0.5)))
  return traced((inputs, recorder) => trainOnTfjs({ ...tf, softmax }, network, params, inputs, recorder))
}

/** All its products, forward and backward, by a library that trains nothing; in plain arithmetic what is no product. */
export function exactStepOnProducts(gemm: Kernels['gemm'] | undefined): Promise<Trace> {
  const multiply = async (a: Tensor, b: Tensor) => {
    const product = await gemm?.(a, b)
    if (product === undefined || isUnsupported(product)) throw new Error('it has no product')
    return product
  }
  return traced((inputs, recorder) =>
    trainPlainly(network, params, createPlainArithmetic('f32'), inputs, multiply, recorder),
  )
}

/** In plain arithmetic, sums in an order of backend `js`. */
export async function exactStepOnJs(order: string): Promise<Trace> {
  const backend = await js.open({ order })
  const trace = await exactStepOnProducts(backend.kernels.gemm)
  await backend.close()
  return trace
}
