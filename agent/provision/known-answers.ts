import { digestOf } from '../../shared/digest.ts'
import { bytesOf, createTensor } from '../../shared/tensor.ts'
import type { KnownAnswer } from './provider.ts'

const addends = createTensor('f32', [1024], bytesOf(Float32Array.from({ length: 1024 }, (_, i) => i + 1)))

/** 1 + 2 + … + 1024: every partial sum is a whole number below 2²⁴, so any order of any width gives these bits. */
export const wholeSum: KnownAnswer = {
  title: '1 + 2 + … + 1024',
  workload: 'reduce.sum',
  params: { dtype: 'f32', input: { file: 'addends.npy', digest: digestOf(addends.bytes) } },
  seed: '0',
  inputs: [addends],
  outputs: { sum: createTensor('f32', [], bytesOf(Float32Array.of(524_800))) },
}
