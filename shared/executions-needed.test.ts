import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { executionsNeeded } from './executions-needed.ts'

describe('executions that a claim needs', () => {
  it.each([
    [0, 2],
    [1, 3],
    [10, 5],
    [100, 6],
    [1000, 8],
  ])('for %i pairs: %i', (pairs, needed) => {
    expect(executionsNeeded(pairs)).toBe(needed)
  })

  it('is the least k for which 2·4⁻ᵏ ≤ 0.05/T, in exact arithmetic', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 47 }), (pairs) => {
        const k = BigInt(executionsNeeded(pairs))
        const enough = (candidate: bigint) => 4n ** candidate >= 40n * BigInt(pairs)
        expect(enough(k)).toBe(true)
        expect(k === 2n || !enough(k - 1n)).toBe(true)
      }),
    )
  })

  it('does not slip where 40·T passes a power of 4', () => {
    // 4⁵ = 1024 holds 40·25 = 1000 and not 40·26 = 1040.
    expect([25, 26].map(executionsNeeded)).toEqual([5, 6])
  })

  it.each([-1, 0.5, Number.NaN, Infinity])('refuses %d pairs', (pairs) => {
    expect(() => executionsNeeded(pairs)).toThrow(RangeError)
  })
})
