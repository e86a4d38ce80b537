import { digestOf } from '../../shared/digest.ts'
import { type Tensor, asFloat32, bytesOf, createTensor } from '../../shared/tensor.ts'
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

/** Whole numbers from −8 to 8, each row another run of them. */
function wholeMatrix(rows: number, columns: number, stride: number): Tensor {
  const values = Float32Array.from({ length: rows * columns }, (_, i) => ((i * stride) % 17) - 8)
  return createTensor('f32', [rows, columns], bytesOf(values))
}

const [rows, depth, columns] = [48, 96, 40]
const left = wholeMatrix(rows, depth, 7)
const right = wholeMatrix(depth, columns, 5)

/** A matrix product whose every partial sum is a whole number below 96·64 = 6144. */
export const wholeProduct: KnownAnswer = {
  title: 'a product of matrices of small whole numbers',
  workload: 'linalg.gemm',
  params: {
    dtype: 'f32',
    input: { file: 'left.npy', digest: digestOf(left.bytes) },
    inputB: { file: 'right.npy', digest: digestOf(right.bytes) },
  },
  seed: '0',
  inputs: [left, right],
  outputs: { gemm: multiplyWhole(left, right) },
}

function multiplyWhole(a: Tensor, b: Tensor): Tensor {
  const [x, y] = [asFloat32(a), asFloat32(b)]
  const values = Float32Array.from({ length: rows * columns }, (_, cell) => {
    const [row, column] = [Math.floor(cell / columns), cell % columns]
    let sum = 0
    for (let k = 0; k < depth; k++) sum += (x[row * depth + k] as number) * (y[k * columns + column] as number)
    return sum
  })
  return createTensor('f32', [rows, columns], bytesOf(values))
}
