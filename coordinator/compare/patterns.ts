import type { DifferencePattern } from '../report/format.ts'
import { type Tensor, asBits, isFloat } from '../../shared/tensor.ts'
import { floatFormats } from '../../shared/ulp.ts'

/** More differing elements than this are not sorted: the coordinator must not stand still for one tensor. */
export const mostSorted = 1 << 22
const leastMasked = 8
/** Another mask leaves zeros on both sides, each in places of its own. */
const leastMaskedOnEachSide = leastMasked / 2
const maskedShare = 0.1

/**
 * What all differing elements show together.
 *
 * @param zeroes how many pairs of them are zero on one side only
 * @param equalSums false if the patterns of a and b have different sums, so that none is a permutation of the other
 */
export function patternsOf(
  a: Tensor,
  b: Tensor,
  unequal: number,
  zeroes: number,
  equalSums: boolean,
): DifferencePattern[] {
  const found: DifferencePattern[] = []
  // With only two values, equal numbers of each do not show an order.
  if (equalSums && a.dtype !== 'bool' && unequal <= mostSorted && isPermutation(a, b, unequal))
    found.push('permutation')
  if (zeroes >= leastMasked && zeroes >= maskedShare * unequal && haveOwnZeros(a, b)) found.push('mask')
  return found
}

/** Whether the differing elements of both sides are the same bit patterns, each as often. */
function isPermutation(a: Tensor, b: Tensor, unequal: number): boolean {
  const [left, right] = [asBits(a), asBits(b)]
  const make = () => new (left.constructor as new (length: number) => typeof left)(unequal)
  const [p, q] = [make(), make()]
  for (let i = 0, k = 0; i < left.length; i++) {
    if (left[i] === right[i]) continue
    p[k] = left[i] as never
    q[k] = right[i] as never
    k++
  }
  p.sort()
  q.sort()
  return p.every((pattern: number | bigint, i: number) => pattern === q[i])
}

/** Whether each side is zero in some places where the other is not. */
function haveOwnZeros(a: Tensor, b: Tensor): boolean {
  const [left, right] = [asBits(a), asBits(b)]
  const isZero = zeroTest(a)
  let [inLeft, inRight] = [0, 0]
  for (let i = 0; i < left.length; i++) {
    if (left[i] === right[i]) continue
    const [p, q] = [isZero(left[i] as number | bigint), isZero(right[i] as number | bigint)]
    if (p && !q) inLeft++
    else if (q && !p) inRight++
    if (inLeft >= leastMaskedOnEachSide && inRight >= leastMaskedOnEachSide) return true
  }
  return false
}

/** Of bit patterns: a floating-point zero may have a sign. */
function zeroTest({ dtype }: Tensor): (bits: number | bigint) => boolean {
  if (!isFloat(dtype)) return (bits) => bits === 0 || bits === 0n
  const { sign } = floatFormats[dtype]
  if (dtype === 'f64') return (bits) => bits === 0n || bits === sign
  const negative = Number(sign)
  return (bits) => bits === 0 || bits === negative
}
