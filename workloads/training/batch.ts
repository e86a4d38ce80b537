import { encodeFloats } from '../../shared/half.ts'
import { type Tensor, bytesOf, createTensor, elementCount } from '../../shared/tensor.ts'
import { digitClasses, digitPixels } from '../data/digits.ts'
import type { TrainingInputs } from './inputs.ts'
import type { Network } from './network.ts'
import type { TrainingParams } from './params.ts'
import type { Schedule } from './schedule.ts'

/** What one step is fed with. */
export interface Batch {
  /** [batch, …] as the network takes images. */
  readonly images: Tensor
  /** [batch, 10], 1 at the label and else 0. */
  readonly targets: Tensor
  /** [batch, …] factors of dropout: 0, or 1/(1 − rate) rounded to the dtype; absent without dropout. */
  readonly factors?: Tensor
}

/** @param step from 1 */
export function createBatch(
  network: Network,
  params: TrainingParams,
  inputs: TrainingInputs,
  { stepsPerEpoch }: Schedule,
  step: number,
): Batch {
  const epoch = inputs.epochs[Math.floor((step - 1) / stepsPerEpoch)] as TrainingInputs['epochs'][number]
  const at = (step - 1) % stepsPerEpoch
  const first = (integers(epoch.batchOrder)[at] as number) * params.batch
  const rows = integers(epoch.shuffle).subarray(first, first + params.batch)
  const { images, labels } = inputs.train
  const classes = integers(labels)
  const dtype = images.dtype as 'f32' | 'f64'

  const rowBytes = images.bytes.byteLength / classes.length
  const pixels = new Uint8Array(params.batch * rowBytes)
  const targets = new Float64Array(params.batch * digitClasses)
  rows.forEach((row, i) => {
    pixels.set(images.bytes.subarray(row * rowBytes, (row + 1) * rowBytes), i * rowBytes)
    targets[i * digitClasses + (classes[row] as number)] = 1
  })
  const batch = {
    images: createTensor(dtype, [params.batch, ...network.input], pixels),
    targets: createTensor(dtype, [params.batch, digitClasses], encodeFloats(dtype, targets)),
  }
  if (!epoch.kept) return batch
  const shape = epoch.kept.shape.slice(1)
  const size = elementCount(shape)
  const kept = epoch.kept.bytes.subarray(at * size, (at + 1) * size)
  const factor = 1 / (1 - params.dropout)
  const factors = Float64Array.from(kept, (keep) => keep * factor)
  return { ...batch, factors: createTensor(dtype, shape, encodeFloats(dtype, factors)) }
}

/** The test images as the network takes them. */
export function testImages(network: Network, { test: { images } }: TrainingInputs): Tensor {
  return createTensor(images.dtype, [images.bytes.byteLength / imageBytes(images), ...network.input], images.bytes)
}

function imageBytes({ dtype }: Tensor): number {
  return digitPixels * (dtype === 'f64' ? 8 : 4)
}

/** How many predicted labels are right: i32 []. */
export function countCorrect(predicted: Tensor, labels: Tensor): Tensor {
  const expected = integers(labels)
  const correct = integers(predicted).filter((label, i) => label === expected[i]).length
  return createTensor('i32', [], bytesOf(Int32Array.of(correct)))
}

export function integers({ bytes }: Tensor): Int32Array {
  return new Int32Array(bytes.slice().buffer)
}
