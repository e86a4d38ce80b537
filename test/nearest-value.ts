import { floatValue } from '../shared/half.ts'
import type { FloatDType } from '../shared/tensor.ts'

/** Exact numbers are whole multiples of 2^-2400: below any product of two binary64 values. */
const places = 2400n

const view = new DataView(new ArrayBuffer(8))

/** A finite value, times 2^2400. */
export function exactly(value: number): bigint {
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const field = (bits >> 52n) & 0x7ffn
  const fraction = bits & 0xf_ffff_ffff_ffffn
  const magnitude = field === 0n ? fraction << (places - 1074n) : (fraction | (1n << 52n)) << (places + field - 1075n)
  return bits >> 63n === 1n ? -magnitude : magnitude
}

/** The product of two exact numbers, which must not need more places. */
export function times(a: bigint, b: bigint): bigint {
  return (a * b) >> places
}

/**
 * The value of a dtype nearest to an exact number, ties to the even pattern, found by bisection over all bit patterns:
 * slow, and with no arithmetic in common with what it judges.
 *
 * @param power 2 for the value whose square the number is
 */
export function nearestValue(dtype: FloatDType, number: bigint, power: 1 | 2 = 1): number {
  if (number < 0n) return -nearestValue(dtype, -number)
  const raised = (x: bigint) => (power === 2 ? x * x : x)
  const target = power === 2 ? number << places : number
  const valueOf = (pattern: bigint) => {
    const value = floatValue(dtype, pattern)
    // IEEE 754 rounds as if the format went on past its largest value, and calls what lies there infinite.
    return value === Infinity
      ? 2n * exactly(floatValue(dtype, pattern - 1n)) - exactly(floatValue(dtype, pattern - 2n))
      : exactly(value)
  }
  let low = 0n
  let high = infinityPattern(dtype)
  if (raised(valueOf(high)) <= target) return Infinity
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (raised(valueOf(middle)) <= target) low = middle
    else high = middle
  }
  const twiceMiddle = raised(valueOf(low) + valueOf(high))
  const twiceTarget = target * 2n ** BigInt(power)
  const up = twiceTarget > twiceMiddle || (twiceTarget === twiceMiddle && low % 2n === 1n)
  return floatValue(dtype, up ? high : low)
}

function infinityPattern(dtype: FloatDType): bigint {
  return { f64: 0x7ffn << 52n, f32: 0xffn << 23n, f16: 0x1fn << 10n, bf16: 0xffn << 7n }[dtype]
}
