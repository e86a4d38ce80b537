import type { DifferenceKind } from '../../report/format.ts'
import type { FloatDType } from '../../../shared/tensor.ts'

/** Elements in a block; sums are formed block by block. */
export const blockElements = 16384
/** Accumulators in a block. */
export const lanes = 8
/** Ranks of the histogram: a binary64 distance reaches rank 65. */
export const rankCount = 66

/** A finite pair at most this far apart is called rounding. It ends a bucket of the histogram. */
export const roundingUlps = 8
/** Rank of that bucket. */
export const roundingRank = 4

/** Kinds of pairs of floating-point numbers. Each pair of different bit patterns has one of them. */
export type FloatKind = Exclude<DifferenceKind, 'integer'>

/** What one pass over two tensors of one floating-point dtype counts. */
export interface Tally {
  /** Pairs of different bit patterns. */
  readonly unequal: number
  /** The same pairs by kind. */
  readonly kinds: Readonly<Record<FloatKind, number>>
  /** Counts of the pairs without a NaN by the rank of their distance (`bucketName`); [0] is of no meaning. */
  readonly ranks: Float64Array
  /** Largest distance, over pairs without a NaN. */
  readonly maxUlp: bigint
  /** Σ a² and Σ (a − b)² over the pairs of which both are finite. */
  readonly squares: number
  readonly squaredDifferences: number
  /**
   * Whether the bit patterns of a and of b, added as integers of their width, give one sum. If not, b is no
   * permutation of a.
   */
  readonly equalSums: boolean
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

export function noKinds(): Record<FloatKind, number> {
  return {
    rounding: 0,
    larger: 0,
    'sign-of-zero': 0,
    'subnormal-zero': 0,
    zero: 0,
    saturation: 0,
    infinity: 0,
    'infinity-sign': 0,
    'nan-sign': 0,
    'nan-payload': 0,
    'nan-number': 0,
  }
}
