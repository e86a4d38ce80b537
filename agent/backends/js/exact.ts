import type { FloatDType } from '../../../shared/tensor.ts'
import { bitLength, integerSqrt, roundBig } from './big.ts'

/**
 * A sum held exactly: whole-number limbs of 2³² over all bits that a product of two binary64 values can have. Limbs
 * are binary64 and signed, so that carries need settling only once in 2²⁰ additions.
 *
 * @see Kulisch: Computer Arithmetic and Validity, 2nd ed., §8 (the complete register)
 */
interface Register {
  readonly limbs: Float64Array
  /** Limbs outside [low, high] are zero. */
  low: number
  high: number
  added: number
  /** NaN or an infinity among the terms decides the sum; 0 while there was none. */
  special: number
  /** Whether every term was −0, which makes the sum of some terms −0. */
  negativeZero: boolean
}

/** Weight of the register's last bit: the least product of two subnormals is 2⁻²¹⁴⁸. */
const lastBit = -2176
const limbCount = 136
const settleAfter = 2 ** 20
const two32 = 2 ** 32

const value = new Float64Array(1)
const words = new Uint32Array(value.buffer)

function createRegister(): Register {
  return { limbs: new Float64Array(limbCount), low: limbCount, high: -1, added: 0, special: 0, negativeZero: true }
}

function clear(register: Register): void {
  if (register.high >= register.low) register.limbs.fill(0, register.low, register.high + 1)
  Object.assign(register, { low: limbCount, high: -1, added: 0, special: 0, negativeZero: true })
}

/** Adds ±(high · 2³² + low) · 2^(lastBit + position); high below 2²¹, low below 2³². */
function addBits(register: Register, negative: boolean, high: number, low: number, position: number): void {
  const { limbs } = register
  const limb = position >>> 5
  const shift = position & 31
  const first = (low << shift) >>> 0
  const second = shift === 0 ? high : ((high << shift) | (low >>> (32 - shift))) >>> 0
  const third = shift === 0 ? 0 : high >>> (32 - shift)
  if (negative) {
    limbs[limb] = (limbs[limb] as number) - first
    limbs[limb + 1] = (limbs[limb + 1] as number) - second
    limbs[limb + 2] = (limbs[limb + 2] as number) - third
  } else {
    limbs[limb] = (limbs[limb] as number) + first
    limbs[limb + 1] = (limbs[limb + 1] as number) + second
    limbs[limb + 2] = (limbs[limb + 2] as number) + third
  }
  if (limb < register.low) register.low = limb
  if (limb + 2 > register.high) register.high = limb + 2
  if (++register.added >= settleAfter) settle(register)
}

/** Carries, so that every limb but the two highest lies in [0, 2³²) and those are small. */
function settle(register: Register): void {
  const { limbs, high } = register
  register.added = 0
  for (let i = register.low; i < high; i++) {
    const limb = limbs[i] as number
    const carry = Math.floor(limb / two32)
    limbs[i] = limb - carry * two32
    limbs[i + 1] = (limbs[i + 1] as number) + carry
  }
  const top = limbs[high] as number
  const carry = Math.trunc(top / two32)
  if (carry === 0) return
  limbs[high] = top - carry * two32
  limbs[high + 1] = (limbs[high + 1] as number) + carry
  register.high = high + 1
}

/** A term that is one binary64 value. */
function addValue(register: Register, term: number): void {
  if (term === 0) {
    if (!Object.is(term, -0)) register.negativeZero = false
    return
  }
  register.negativeZero = false
  value[0] = term
  const high = words[1] as number
  const biased = (high >>> 20) & 0x7ff
  if (biased === 0x7ff) {
    register.special = register.special === 0 ? term : register.special + term
    return
  }
  const hidden = biased > 0 ? 0x100000 : 0
  addBits(
    register,
    high >>> 31 === 1,
    (high & 0xfffff) + hidden,
    words[0] as number,
    Math.max(biased, 1) - 1075 - lastBit,
  )
}

/** A term that is the exact product of two binary64 values. */
function addProduct(register: Register, a: number, b: number): void {
  const product = a * b
  if (a === 0 || b === 0 || !Number.isFinite(a) || !Number.isFinite(b)) {
    addValue(register, product)
    return
  }
  register.negativeZero = false
  value[0] = a
  const aTop = words[1] as number
  const aLow = words[0] as number
  value[0] = b
  const bTop = words[1] as number
  const bLow = words[0] as number
  const negative = (aTop ^ bTop) < 0
  const aBiased = (aTop >>> 20) & 0x7ff
  const bBiased = (bTop >>> 20) & 0x7ff
  const aHigh = (aTop & 0xfffff) + (aBiased > 0 ? 0x100000 : 0)
  const bHigh = (bTop & 0xfffff) + (bBiased > 0 ? 0x100000 : 0)
  const position = Math.max(aBiased, 1) + Math.max(bBiased, 1) - 2150 - lastBit
  // Pieces small enough that binary64 holds their products: 21 and 32 bits, the 32 of b in two halves.
  const bLower = bLow & 0xffff
  const bUpper = bLow >>> 16
  addWhole(register, negative, aLow * bLower, position)
  addWhole(register, negative, aLow * bUpper, position + 16)
  addWhole(register, negative, aHigh * bLow, position + 32)
  addWhole(register, negative, aLow * bHigh, position + 32)
  addWhole(register, negative, aHigh * bHigh, position + 64)
}

/** Adds ±whole · 2^(lastBit + position) for a whole number below 2⁵³. */
function addWhole(register: Register, negative: boolean, whole: number, position: number): void {
  const high = Math.floor(whole / two32)
  addBits(register, negative, high, whole - high * two32, position)
}

/** The sum as a whole number of units of 2^exponent. */
function total(register: Register): { significand: bigint; exponent: number } {
  if (register.high >= 0) settle(register)
  let significand = 0n
  for (let i = register.high; i >= register.low; i--) {
    significand = (significand << 32n) + BigInt(register.limbs[i] as number)
  }
  return { significand, exponent: lastBit + 32 * Math.min(register.low, limbCount) }
}

function rounded(register: Register, terms: number, dtype: FloatDType): number {
  if (register.special !== 0) return register.special
  const { significand, exponent } = total(register)
  if (significand === 0n) return terms > 0 && register.negativeZero ? -0 : 0
  return roundBig(significand, exponent, dtype)
}

/** One for all sums of a process: clearing it costs what the last sum touched. */
const shared = createRegister()

/**
 * The correctly rounded sum: as if added without bounds and rounded once, so that no permutation of the terms changes
 * it and only its own size can overflow. Infinities of both signs, or a NaN, give NaN; a sum of −0 alone is −0, any
 * other zero +0.
 */
export function exactSum(terms: Float64Array, dtype: FloatDType): number {
  clear(shared)
  for (let i = 0; i < terms.length; i++) addValue(shared, terms[i] as number)
  return rounded(shared, terms.length, dtype)
}

/** The exact sum of exact products, rounded once; products are neither rounded nor can they overflow or underflow. */
export function exactDot(x: Float64Array, y: Float64Array, dtype: FloatDType): number {
  fillWithProducts(x, y, dtype)
  return rounded(shared, x.length, dtype)
}

/** The square root of the exact sum of exact squares, rounded once: the correctly rounded norm. */
export function exactNorm2(x: Float64Array, dtype: FloatDType): number {
  fillWithProducts(x, x, dtype)
  if (shared.special !== 0) return shared.special
  const { significand, exponent } = total(shared)
  if (significand === 0n) return 0
  // 130 bits or more of the root, and an even exponent: enough below the last place of any dtype, subnormals included.
  let shift = Math.max(0, 260 - bitLength(significand))
  if ((exponent - shift) % 2 !== 0) shift++
  const square = significand << BigInt(shift)
  const root = integerSqrt(square)
  return roundBig(root, (exponent - shift) / 2, dtype, root * root !== square)
}

function fillWithProducts(x: Float64Array, y: Float64Array, dtype: FloatDType): void {
  clear(shared)
  // Below binary64, binary64 holds the product exactly.
  if (dtype === 'f64') for (let i = 0; i < x.length; i++) addProduct(shared, x[i] as number, y[i] as number)
  else for (let i = 0; i < x.length; i++) addValue(shared, (x[i] as number) * (y[i] as number))
}
