import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBackoff } from './backoff.ts'

describe('waiting between attempts', () => {
  it('doubles up to a bound, and begins anew after success', () => {
    const backoff = createBackoff(100, 1000, () => 1)
    expect(Array.from({ length: 6 }, () => backoff.nextMs())).toEqual([100, 200, 400, 800, 1000, 1000])
    backoff.reset()
    expect(backoff.nextMs()).toBe(100)
  })

  it('never waits less than half nor more than the bound, however long it goes on', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 3000 }), (draws) => {
        let i = 0
        const backoff = createBackoff(500, 30_000, () => draws[i++] as number)
        for (let attempt = 0; attempt < draws.length; attempt++) {
          const bound = Math.min(30_000, 500 * 2 ** attempt)
          const waitMs = backoff.nextMs()
          expect(waitMs >= bound / 2 && waitMs <= bound).toBe(true)
        }
      }),
    )
  })
})
