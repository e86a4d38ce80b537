import { encodeFloats } from '../shared/half.ts'
import { type Tensor, bytesOf, createTensor } from '../shared/tensor.ts'
import { testCount, trainCount } from '../workloads/data/digits.ts'
import type { TrainingInputs } from '../workloads/training/inputs.ts'

// A step of the convolutional network in which nothing is rounded. All activations are positive, so that relu lets all
// pass; no two of a pool's four are equal, as libraries choose differently among equals; logits of a row lie 256 or more
// apart, no row is classified rightly, and what the loss adds up has no more than 24 bits. Seeds are tried until it is so.

export const channels = 2
const [side, classes, batch] = [8, 10, 4]
export const convolutionalParams = { learningRate: 2 ** -12, batch } as const
const [inner, outer, pooled] = [side - 2, side - 4, (side - 4) / 2]
const [few, many] = [channels, 2 * channels]
const units = pooled * pooled * many

interface Numbers {
  readonly images: number[]
  readonly conv1: number[]
  readonly conv2: number[]
  readonly dense: number[]
  readonly kept: number[]
}

/** Whole numbers below n from a linear congruential generator. */
function draw(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

function drawNumbers(seed: number): Numbers {
  const next = draw(seed)
  const list = (count: number, value: () => number) => Array.from({ length: count }, value)
  return {
    images: list(batch * side * side, () => 1 + next(7)),
    conv1: list(9 * few, () => 1 + next(3)),
    conv2: list(9 * few * many, () => 1 + next(3)),
    // Multiples of 4096, so that a logit is, modulo 4096, its bias.
    dense: list(units * classes, () => ([-2, -1, 1, 2][next(4)] as number) * 4096),
    kept: list(batch * units, () => next(2)),
  }
}

function convolve(x: number[], size: number, inputs: number, kernel: number[], outputs: number): number[] {
  const made: number[] = []
  const last = size - 2
  for (let i = 0; i < last; i++)
    for (let j = 0; j < last; j++)
      for (let d = 0; d < outputs; d++) {
        let sum = 1
        for (let p = 0; p < 3; p++)
          for (let q = 0; q < 3; q++)
            for (let c = 0; c < inputs; c++)
              sum +=
                (x[((i + p) * size + j + q) * inputs + c] as number) *
                (kernel[((p * 3 + q) * inputs + c) * outputs + d] as number)
        made.push(sum)
      }
  return made
}

/** The predicted digit of every row; undefined where a pool has to choose among equals, or the loss is rounded. */
function predict({ images, conv1, conv2, dense, kept }: Numbers): number[] | undefined {
  const digits: number[] = []
  let loss = 0
  for (let row = 0; row < batch; row++) {
    const x = images.slice(row * side * side, (row + 1) * side * side)
    const second = convolve(convolve(x, side, 1, conv1, few), inner, few, conv2, many)
    const flat: number[] = []
    for (let i = 0; i < pooled; i++)
      for (let j = 0; j < pooled; j++)
        for (let d = 0; d < many; d++) {
          const four = [0, 1, 2, 3].map(
            (k) => second[((2 * i + (k >> 1)) * outer + 2 * j + (k & 1)) * many + d] as number,
          )
          if (new Set(four).size < 4) return undefined
          flat.push(Math.max(...four) * 2 * (kept[row * units + flat.length] as number))
        }
    const logits = Array.from({ length: classes }, (_, digit) =>
      flat.reduce((sum, value, i) => sum + value * (dense[i * classes + digit] as number), digit * 256),
    )
    const largest = Math.max(...logits)
    digits.push(logits.indexOf(largest))
    loss += largest - (logits[(logits.indexOf(largest) + 1) % classes] as number)
  }
  return loss < 2 ** 24 * 256 ? digits : undefined
}

export function convolutionalInputs(): TrainingInputs {
  let seed = 0
  let numbers = drawNumbers(seed)
  let predicted = predict(numbers)
  while (predicted === undefined) {
    numbers = drawNumbers(++seed)
    predicted = predict(numbers)
  }
  const { images, conv1, conv2, dense, kept } = numbers
  const digits = predicted
  const steps = Math.floor(trainCount / batch)
  const repeated = (count: number) => floats([count, side, side, 1], (i) => images[i % images.length] as number)
  return {
    train: {
      images: repeated(trainCount),
      labels: whole([trainCount], (row) => ((digits[row % batch] as number) + 1) % classes),
    },
    test: { images: repeated(testCount), labels: whole([testCount], () => 0) },
    weights: [
      floats([3, 3, 1, few], (i) => conv1[i] as number),
      floats([few], () => 1),
      floats([3, 3, few, many], (i) => conv2[i] as number),
      floats([many], () => 1),
      floats([units, classes], (i) => dense[i] as number),
      floats([classes], (digit) => digit * 256),
    ],
    epochs: [
      {
        shuffle: whole([trainCount], (i) => i),
        batchOrder: whole([steps], (i) => i),
        kept: createTensor(
          'bool',
          [steps, batch, pooled, pooled, many],
          Uint8Array.from({ length: steps * kept.length }, (_, i) => kept[i % kept.length] as number),
        ),
      },
    ],
  }
}

function floats(shape: number[], value: (i: number) => number): Tensor {
  const length = shape.reduce((product, extent) => product * extent, 1)
  return createTensor(
    'f32',
    shape,
    encodeFloats(
      'f32',
      Float64Array.from({ length }, (_, i) => value(i)),
    ),
  )
}

function whole(shape: number[], value: (i: number) => number): Tensor {
  return createTensor('i32', shape, bytesOf(Int32Array.from({ length: shape[0] as number }, (_, i) => value(i))))
}
