import { encodeFloats, roundTo } from '../../../shared/half.ts'
import { type FloatDType, type Tensor, createTensor } from '../../../shared/tensor.ts'

/**
 * Rounds a binary64 result to the dtype, ties to even. One of +, −, ×, ÷ or √ done in binary64 on operands of a
 * narrower dtype and then rounded is rounded as if once: 53 ≥ 2p + 2 for p = 24, 11 and 8.
 *
 * @see Figueroa: When is double rounding innocuous? ACM SIGNUM 30(3), 1995
 */
export type Round = (value: number) => number

export const roundings: Record<FloatDType, Round> = {
  f64: (value) => value,
  f32: Math.fround,
  f16: (value) => roundTo('f16', value),
  bf16: (value) => roundTo('bf16', value),
}

const quietNaN = {
  f64: [0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
  f32: [0, 0, 0xc0, 0x7f],
  f16: [0, 0x7e],
  bf16: [0xc0, 0x7f],
} as const

/**
 * The tensor of values already rounded to the dtype. Every NaN becomes the positive quiet NaN without payload:
 * processors make NaNs of different signs, and a reference may not depend on the processor.
 */
export function encodeResult(dtype: FloatDType, shape: readonly number[], values: ArrayLike<number>): Tensor {
  const bytes = encodeFloats(dtype, values)
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) bytes.set(quietNaN[dtype], i * quietNaN[dtype].length)
  }
  return createTensor(dtype, shape, bytes)
}
