import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { floatValue, roundTo } from '../../../shared/half.ts'
import type { FloatDType } from '../../../shared/tensor.ts'
import { arbitraryBits, hostileBits } from '../../../test/hostile-bits.ts'
import { exactly, nearestValue, times } from '../../../test/nearest-value.ts'
import { fusedMultiplyAdd } from './fma.ts'

const dtypes: FloatDType[] = ['f64', 'f32', 'f16', 'bf16']

/** a·b + c by exact integers and bisection. */
function reference(dtype: FloatDType, a: number, b: number, c: number): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return a * b + c
  if (!Number.isFinite(c)) return c
  const sum = times(exactly(a), exactly(b)) + exactly(c)
  if (sum !== 0n) return nearestValue(dtype, sum)
  return a === 0 || b === 0 ? a * b + c : 0
}

describe.each(dtypes)('fused multiply-add in %s', (dtype) => {
  const fused = fusedMultiplyAdd(dtype)
  const valueOf = (bits: string) => floatValue(dtype, BigInt(`0x${bits}`))
  it('is correctly rounded over all triples of hostile patterns', { timeout: 60_000 }, () => {
    const values = [...new Set(hostileBits[dtype].map(valueOf))]
    for (const a of values) {
      for (const b of values) {
        for (const c of values) expect(fused(a, b, c), `${a} * ${b} + ${c}`).toBe(reference(dtype, a, b, c))
      }
    }
  })

  it('is correctly rounded for any operands', { timeout: 60_000 }, () => {
    const value = arbitraryBits(dtype).map(valueOf)
    fc.assert(
      fc.property(value, value, value, (a, b, c) => {
        expect(fused(a, b, c)).toBe(reference(dtype, a, b, c))
      }),
      { numRuns: 3000 },
    )
  })

  it('is correctly rounded where nearly everything cancels, and where half a last place decides', {
    timeout: 60_000,
  }, () => {
    // Operands around 1, so that c may stand anywhere beside the product: its negative, its half ulp, its error.
    const precision = { f64: 53, f32: 24, f16: 11, bf16: 8 }[dtype]
    const significand = fc.maxSafeNat().map((n) => 1 + (n % 2 ** (precision - 1)) * 2 ** (1 - precision))
    const scale = fc.integer({ min: -2 * precision, max: precision }).map((exponent) => 2 ** exponent)
    fc.assert(
      fc.property(significand, significand, scale, fc.constantFrom(-1, 1, 0), (a, b, power, sign) => {
        const product = roundTo(dtype, a * b)
        const small = roundTo(dtype, power)
        const triples = [
          [a, b, -product],
          [-a, b, product],
          [a, b, roundTo(dtype, sign * power)],
          [a, b, roundTo(dtype, -product * (1 + power))],
          [small, small, sign * a],
        ] as const
        for (const [x, y, z] of triples) expect(fused(x, y, z), `${x} * ${y} + ${z}`).toBe(reference(dtype, x, y, z))
      }),
      { numRuns: 1500 },
    )
  })
})

it('binary32 is not the rounded binary64 expression', () => {
  // The product is 2⁻²⁴ − 2⁻⁶⁴: just below half a last place of c, which binary64 cannot tell from half.
  const [a, b, c] = [1 + 2 ** -20, 2 ** -24 * (1 - 2 ** -20), 1 + 2 ** -23]
  expect(fusedMultiplyAdd('f32')(a, b, c)).toBe(1 + 2 ** -23)
  expect(Math.fround(a * b + c)).toBe(1 + 2 ** -22)
})
