import type { FloatDType } from './tensor.ts'

/** Sign bit, the pattern of +∞ (any magnitude above it is a NaN), and that of the least normal number. */
export const floatFormats: Readonly<Record<FloatDType, { sign: bigint; infinity: bigint; leastNormal: bigint }>> = {
  f16: { sign: 1n << 15n, infinity: 0x7c00n, leastNormal: 0x0400n },
  bf16: { sign: 1n << 15n, infinity: 0x7f80n, leastNormal: 0x0080n },
  f32: { sign: 1n << 31n, infinity: 0x7f80_0000n, leastNormal: 0x0080_0000n },
  f64: { sign: 1n << 63n, infinity: 0x7ff0_0000_0000_0000n, leastNormal: 0x0010_0000_0000_0000n },
}

/** True where the unsigned bit pattern is a NaN, quiet or signalling. */
export function isNanBits(dtype: FloatDType, bits: bigint | number): boolean {
  const { sign, infinity } = floatFormats[dtype]
  return (BigInt(bits) & (sign - 1n)) > infinity
}

/**
 * Place of a value among all values of its dtype: its bit pattern as an unsigned integer where it is positive, the
 * negated magnitude where it is negative; ±0 at 0, ∞ next after the largest finite. Meaningless for a NaN.
 */
export function orderOf(dtype: FloatDType, bits: bigint | number): bigint {
  const { sign } = floatFormats[dtype]
  const pattern = BigInt(bits)
  return pattern & sign ? -(pattern & (sign - 1n)) : pattern
}

/**
 * Distance in ULPs of two bit patterns: the number of representable steps between the values. Subnormals count like
 * any value, and −0 and +0 are 0 apart. Null where either is a NaN, which has no place in the order.
 *
 * A distance counts steps between two floating-point numbers; it is not an error in ulps against a real number.
 *
 * @see Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., §2.3.2 (ulp) and §2.1.6 (the order of patterns)
 */
export function ulpDistance(dtype: FloatDType, a: bigint | number, b: bigint | number): bigint | null {
  if (isNanBits(dtype, a) || isNanBits(dtype, b)) return null
  const distance = orderOf(dtype, a) - orderOf(dtype, b)
  return distance < 0n ? -distance : distance
}

/** The histogram bucket a distance falls in: `0`, `1`, `2`, `3-4`, `5-8`, …, each ending at a power of two. */
export function ulpBucket(distance: bigint): string {
  return bucketName(ulpRank(distance))
}

/** Number of the bucket a distance falls in, counted from 0. */
export function ulpRank(distance: bigint): number {
  return distance < 2n ? Number(distance) : 1 + (distance - 1n).toString(2).length
}

/** Name of the bucket of a rank. */
export function bucketName(rank: number): string {
  if (rank < 3) return String(rank)
  const end = 1n << BigInt(rank - 1)
  return `${end / 2n + 1n}-${end}`
}
