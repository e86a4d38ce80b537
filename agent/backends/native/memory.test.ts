import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressOf, alignedBytes, alignedCopy } from './memory.ts'

describe('alignedBytes', () => {
  it('stand at multiples of 64, zeroed, and of their own', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), (length) => {
        const bytes = alignedBytes(length)
        expect(bytes.length).toBe(length)
        expect(bytes.every((byte) => byte === 0)).toBe(true)
        if (length > 0) expect(addressOf(bytes) % 64n).toBe(0n)
      }),
    )
  })

  it('copy without touching the source', () => {
    const source = Uint8Array.of(1, 2, 3).subarray(1)
    const copy = alignedCopy(source)
    copy[0] = 9
    expect([...source, ...copy]).toEqual([2, 3, 9, 3])
  })
})
