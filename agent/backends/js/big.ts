import type { FloatDType } from '../../../shared/tensor.ts'

/** The finite number significand · 2^exponent. */
export interface Big {
  readonly significand: bigint
  readonly exponent: number
}

const value = new Float64Array(1)
const words = new Uint32Array(value.buffer)

/** A finite binary64 value as it stands. */
export function bigOf(finite: number): Big {
  value[0] = finite
  const high = words[1] as number
  const biased = (high >>> 20) & 0x7ff
  const magnitude = (BigInt((high & 0xfffff) + (biased > 0 ? 0x100000 : 0)) << 32n) | BigInt(words[0] as number)
  return { significand: high >>> 31 ? -magnitude : magnitude, exponent: Math.max(biased, 1) - 1075 }
}

/** Precision in bits, exponent of the least subnormal, and the largest finite value's exponent. */
const formats: Record<FloatDType, { precision: number; least: number; largest: number }> = {
  f64: { precision: 53, least: -1074, largest: 1023 },
  f32: { precision: 24, least: -149, largest: 127 },
  f16: { precision: 11, least: -24, largest: 15 },
  bf16: { precision: 8, least: -133, largest: 127 },
}

/**
 * The value of the dtype nearest to significand · 2^exponent, ties to even; +0 for zero.
 *
 * @param sticky whether the number lies a little further from zero than it says (by less than its last bit, which
 *   must be below half of the result's last place)
 */
export function roundBig(significand: bigint, exponent: number, dtype: FloatDType, sticky = false): number {
  if (significand === 0n) return 0
  const { precision, least, largest } = formats[dtype]
  const magnitude = significand < 0n ? -significand : significand
  const place = Math.max(exponent + bitLength(magnitude) - precision, least)
  const rounded = shiftToEven(magnitude, place - exponent, sticky)
  const result = bitLength(rounded) + place - 1 > largest ? Infinity : scaled(rounded, place)
  return significand < 0n ? -result : result
}

function shiftToEven(magnitude: bigint, shift: number, sticky: boolean): bigint {
  if (shift <= 0) return magnitude << BigInt(-shift)
  const kept = magnitude >> BigInt(shift)
  const rest = magnitude - (kept << BigInt(shift))
  const half = 1n << BigInt(shift - 1)
  const up = rest > half || (rest === half && (sticky || kept % 2n === 1n))
  return up ? kept + 1n : kept
}

/** At most 53 bits times a power of two that may itself be out of range; exact. */
function scaled(significand: bigint, exponent: number): number {
  const first = Math.max(exponent, -1000)
  return Number(significand) * 2 ** first * 2 ** (exponent - first)
}

export function bitLength(magnitude: bigint): number {
  if (magnitude === 0n) return 0
  const hex = magnitude.toString(16)
  return 4 * hex.length - Math.clz32(Number.parseInt(hex[0] as string, 16)) + 28
}

/** ⌊√n⌋ by Newton's iteration. */
export function integerSqrt(n: bigint): bigint {
  if (n < 2n) return n
  let root = 1n << BigInt((bitLength(n) + 1) >> 1)
  for (;;) {
    const next = (root + n / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
