import type { FloatDType } from '../../../shared/tensor.ts'
import { bigOf, roundBig } from './big.ts'
import { roundings } from './rounding.ts'

/** a·b + c on values of a dtype, rounded once to it. */
export type FusedMultiplyAdd = (a: number, b: number, c: number) => number

/** Correctly rounded for every operand of every dtype: subnormals, infinities and signed zeros included. */
export function fusedMultiplyAdd(dtype: FloatDType): FusedMultiplyAdd {
  if (dtype === 'f64') return fma64
  const round = roundings[dtype]
  // The product is exact in binary64; the sum rounded to odd there may be rounded again without harm: 53 ≥ p + 2.
  return (a, b, c) => round(addToOdd(a * b, c))
}

const value = new Float64Array(1)
const words = new Uint32Array(value.buffer)

/**
 * The sum rounded toward zero, its last bit set if anything was lost.
 *
 * @see Boldo, Melquiond: Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd.
 *   IEEE Transactions on Computers 57(4), 2008
 */
function addToOdd(a: number, b: number): number {
  const sum = a + b
  const bRounded = sum - a
  const lost = a - (sum - bRounded) + (b - bRounded)
  if (lost === 0 || !Number.isFinite(sum)) return sum
  value[0] = sum
  const low = words[0] as number
  if (low % 2 === 1) return sum
  if (lost > 0 === sum > 0) words[0] = low + 1
  else if (low > 0) words[0] = low - 1
  else {
    words[0] = 0xffff_ffff
    words[1] = (words[1] as number) - 1
  }
  return value[0]
}

const splitter = 2 ** 27 + 1

/** Where no part of the product and no sum can leave the range of binary64; elsewhere whole numbers decide. */
function isTame(a: number, b: number, c: number): boolean {
  const [x, y, z] = [Math.abs(a), Math.abs(b), Math.abs(c)]
  return x < 2 ** 480 && y < 2 ** 480 && z < 2 ** 960 && x * y > 2 ** -900
}

function fma64(a: number, b: number, c: number): number {
  if (!isTame(a, b, c)) return fma64ByIntegers(a, b, c)
  // The product and its rounding error, after Dekker (1971) with the splitting of Veltkamp.
  const product = a * b
  const aScaled = splitter * a
  const bScaled = splitter * b
  const aHigh = aScaled - (aScaled - a)
  const bHigh = bScaled - (bScaled - b)
  const aLow = a - aHigh
  const bLow = b - bHigh
  const error = aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
  // Boldo and Melquiond, algorithm Fmadd.
  const low = c + error
  const lowRounded = low - c
  const lowLost = c - (low - lowRounded) + (error - lowRounded)
  const high = product + low
  const highRounded = high - product
  const highLost = product - (high - highRounded) + (low - highRounded)
  return high + addToOdd(highLost, lowLost)
}

function fma64ByIntegers(a: number, b: number, c: number): number {
  if (a === 0 || b === 0 || !Number.isFinite(a) || !Number.isFinite(b)) return a * b + c
  // Not a·b + c: the rounded product may be infinite where the exact one is not.
  if (!Number.isFinite(c)) return c
  const x = bigOf(a)
  const y = bigOf(b)
  const z = bigOf(c)
  const exponent = x.exponent + y.exponent
  const least = Math.min(exponent, z.exponent)
  const sum =
    ((x.significand * y.significand) << BigInt(exponent - least)) + (z.significand << BigInt(z.exponent - least))
  // Zero here comes of equal magnitudes of opposite signs alone, which is +0.
  return roundBig(sum, least, 'f64')
}
