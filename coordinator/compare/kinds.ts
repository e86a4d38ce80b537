import type { DifferenceKind } from '../report/format.ts'
import { type DType, type FloatDType, dtypeBytes, isFloat } from '../../shared/tensor.ts'
import { floatFormats, ulpDistance } from '../../shared/ulp.ts'
import { type FloatKind, roundingUlps } from './kernels/tally.ts'

/**
 * The kind of one difference, from the two bit patterns alone. This is the definition; `kernels/` counts by it.
 *
 * @param p, q different patterns of one dtype, unsigned
 */
export function kindOf(dtype: DType, p: bigint | number, q: bigint | number): DifferenceKind {
  if (isFloat(dtype)) return floatKind(dtype, BigInt(p), BigInt(q))
  // False against true: a mask has nothing else.
  if (dtype === 'bool') return 'zero'
  return isSaturated(dtype, BigInt(p), BigInt(q)) ? 'saturation' : 'integer'
}

function floatKind(dtype: FloatDType, p: bigint, q: bigint): FloatKind {
  const { sign, infinity, leastNormal } = floatFormats[dtype]
  const [x, y] = [p & (sign - 1n), q & (sign - 1n)]
  const [small, large] = x < y ? [x, y] : [y, x]
  const largestFinite = infinity - 1n
  if (large > infinity) {
    if (small <= infinity) return 'nan-number'
    return small === large ? 'nan-sign' : 'nan-payload'
  }
  if (large === infinity) {
    if (small === infinity) return 'infinity-sign'
    return small === largestFinite ? 'saturation' : 'infinity'
  }
  if (small === 0n) {
    if (large === 0n) return 'sign-of-zero'
    return large < leastNormal ? 'subnormal-zero' : 'zero'
  }
  const near = (ulpDistance(dtype, p, q) as bigint) <= BigInt(roundingUlps)
  if (near) return 'rounding'
  return large === largestFinite && small < largestFinite ? 'saturation' : 'larger'
}

/** Bit patterns of the values at which an integer saturates: as numbers, or as bigints of a type of 64 bits. */
export function limitPatterns(dtype: DType): readonly (number | bigint)[] {
  const width = BigInt(dtypeBytes[dtype] * 8)
  const top = 1n << (width - 1n)
  const patterns = dtype.startsWith('i') ? [top - 1n, top] : [2n * top - 1n]
  return width === 64n ? patterns : patterns.map(Number)
}

/** Whether exactly one of two integers is at a limit of its type, and not by a step of one. 0 is not counted as a limit. */
function isSaturated(dtype: DType, p: bigint, q: bigint): boolean {
  const width = dtypeBytes[dtype] * 8
  const signed = dtype.startsWith('i')
  const [x, y] = signed ? [BigInt.asIntN(width, p), BigInt.asIntN(width, q)] : [p, q]
  const most = signed ? (1n << BigInt(width - 1)) - 1n : (1n << BigInt(width)) - 1n
  const atLimit = (value: bigint) => value === most || (signed && value === -most - 1n)
  const distance = x < y ? y - x : x - y
  return atLimit(x) !== atLimit(y) && distance > 1n
}
