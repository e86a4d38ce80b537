import type { FloatDType } from '../../../shared/tensor.ts'

/** Elements in a block; sums are formed block by block. */
export const blockElements = 16384
/** Accumulators in a block. */
export const lanes = 8
/** Ranks of the histogram: a binary64 distance reaches rank 65. */
export const rankCount = 66

/** What one pass over two tensors of one floating-point dtype counts. */
export interface Tally {
  /** Pairs of different bit patterns. */
  readonly unequal: number
  /** Of those: +0 against −0. */
  readonly signOfZero: number
  /** Of those: with a NaN. */
  readonly nan: number
  /** Counts of the others by the rank of their distance (`bucketName`); [0] is of no meaning. */
  readonly ranks: Float64Array
  /** Largest distance, over pairs without a NaN. */
  readonly maxUlp: bigint
  /** Σ a² and Σ (a − b)² over the pairs of which both are finite. */
  readonly squares: number
  readonly squaredDifferences: number
}

/**
 * Counts two equally long byte ranges of one dtype.
 *
 * Sums are in binary64, so that every implementation gives the same bits: each element is brought to binary64, then
 * subtracted, squared and added, each operation rounded. In each block of 16,384 elements, element i is added to
 * accumulator i mod 8, all beginning at 0; the accumulators are added as ((0+1)+(2+3))+((4+5)+(6+7)), and the blocks'
 * sums in order.
 */
export type TallyFunction = (dtype: FloatDType, a: Uint8Array, b: Uint8Array) => Tally

/** Sum of a block's accumulators. */
export function combineLanes(lane: Float64Array): number {
  const [l0, l1, l2, l3, l4, l5, l6, l7] = lane as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return l0 + l1 + (l2 + l3) + (l4 + l5 + (l6 + l7))
}
