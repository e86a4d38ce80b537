import { digestOf } from '../../shared/digest.ts'
import { asFloat32, bytesOf, createTensor, type Tensor } from '../../shared/tensor.ts'
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

const whole = (shape: readonly [number, number], first: number) =>
  createTensor(
    'f32',
    shape,
    bytesOf(Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => ((first + i * 7) % 15) - 7)),
  )
const [left, right] = [whole([24, 40], 0), whole([40, 32], 3)]

/** Products of whole numbers to 7 in magnitude: no sum passes 2²⁴, and a transposed operand gives other numbers. */
export const wholeProduct: KnownAnswer = {
  title: 'a product of whole matrices',
  workload: 'linalg.gemm',
  params: {
    dtype: 'f32',
    input: { file: 'left.npy', digest: digestOf(left.bytes) },
    inputB: { file: 'right.npy', digest: digestOf(right.bytes) },
  },
  seed: '0',
  inputs: [left, right],
  outputs: { gemm: productOf(left, right) },
}

function productOf(a: Tensor, b: Tensor): Tensor {
  const [m, k] = a.shape as [number, number]
  const n = b.shape[1] as number
  const [x, y] = [asFloat32(a), asFloat32(b)]
  const sums = Float32Array.from({ length: m * n }, (_, cell) => {
    let sum = 0
    for (let p = 0; p < k; p++) sum += (x[Math.floor(cell / n) * k + p] as number) * (y[p * n + (cell % n)] as number)
    return sum
  })
  return createTensor('f32', [m, n], bytesOf(sums))
}
