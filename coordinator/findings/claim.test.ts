import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createClaimRule, type TrialOutcome } from './claim.ts'

type Counted = readonly [count: number, outcome: TrialOutcome]
const trials = (...counts: readonly Counted[]) =>
  counts.flatMap(([count, outcome]) => new Array<TrialOutcome>(count).fill(outcome))
const differ = (executions: number, looks = 1): TrialOutcome => ({ partition: 'A|B', executions, looks })
const stayed: TrialOutcome = { partition: '', executions: 9 }
const claims = (pairs: number, ...counts: readonly Counted[]) => createClaimRule(pairs).claims(trials(...counts), 'A|B')

describe('a claim', () => {
  it.each([
    [1, 3],
    [10, 5],
    [100, 6],
    [1000, 8],
  ])('of one trial among %i pairs needs %i executions', (pairs, needed) => {
    expect(createClaimRule(pairs).needed).toBe(needed)
    expect(claims(pairs, [1, differ(needed)])).toBe(true)
    expect(claims(pairs, [1, differ(needed - 1)])).toBe(false)
  })

  it('needs more if few of several trials show it', () => {
    // 2·(2·4⁻³) = 0.0625
    expect(claims(1, [1, differ(3)], [1, stayed])).toBe(false)
    expect(claims(1, [1, differ(4)], [1, stayed])).toBe(true)
    expect(claims(1, [2, differ(3)])).toBe(true)
    // 3·(2·4⁻³)² = 0.003
    expect(claims(1, [2, differ(3)], [1, stayed])).toBe(true)
  })

  it('needs more if a cell was left out of the trial', () => {
    // C(3, 2)·2·4⁻³ = 0.094, and 0.023 with four executions
    expect(claims(1, [1, differ(3, 3)])).toBe(false)
    expect(claims(1, [1, differ(4, 3)])).toBe(true)
    // The same of one in three trials: 0.07
    expect(claims(1, [1, differ(4, 3)], [2, stayed])).toBe(false)
  })

  it('goes by the least executions of the trials that it counts, and may do without the weakest', () => {
    // 2·(2·4⁻³) = 0.0625, 2·(2·4⁻⁴) = 0.016
    expect(claims(1, [1, differ(2)], [1, differ(3)])).toBe(false)
    expect(claims(1, [1, differ(2)], [1, differ(4)])).toBe(true)
    expect(claims(1, [1, differ(3)], [1, differ(4)])).toBe(true)
    // C(4, 2)·(3·2·4⁻⁴)² = 0.0033 and C(4, 1)·2·4⁻⁴ = 0.031
    expect(claims(6, [2, differ(4, 3)], [2, stayed])).toBe(true)
    expect(claims(6, [1, differ(4)], [3, stayed])).toBe(false)
  })

  it('counts no trial with fewer executions than it would need alone, however many agree', () => {
    expect(claims(10, [100, differ(4)])).toBe(false)
    expect(claims(10, [1, differ(5)], [99, differ(4)])).toBe(false)
    expect(claims(10, [100, differ(5)])).toBe(true)
  })

  it('counts only trials with the same partition', () => {
    const other = { partition: 'A|C', executions: 3 }
    expect(claims(1, [1, differ(3)], [1, other])).toBe(false)
    expect(createClaimRule(1).claims(trials([2, other]), 'A|B')).toBe(false)
  })

  it('counts as many trials as the bound allows, and not the weaker ones', () => {
    const rule = createClaimRule(1)
    const [strong, weak, once] = [differ(4), differ(3), differ(1)]
    // C(2, 1)·2·4⁻⁴ = 0.016 and (2·4⁻³)² = 0.001: both. With one execution a trial never counts.
    expect(rule.counted([weak, strong], 'A|B')).toEqual([strong, weak])
    expect(rule.counted([once, strong], 'A|B')).toEqual([strong])
    expect(rule.counted([weak, stayed], 'A|B')).toEqual([])
    // C(2, 1)·2·4⁻⁵ = 0.004, and (496·2·4⁻³)² is no bound.
    const loose = differ(3, 496)
    expect(rule.counted([loose, differ(5)], 'A|B')).toEqual([differ(5)])
  })

  it('says how many executions it needs', () => {
    const rule = createClaimRule(1)
    expect(rule.needs(trials([1, differ(1)]), 'A|B')).toBe(3)
    expect(rule.needs(trials([1, differ(2)], [1, stayed]), 'A|B')).toBe(4)
    expect(rule.needs(trials([1, differ(2, 28)]), 'A|B')).toBe(6)
    expect(rule.needs(trials([9, differ(2)]), 'A|B')).toBe(3)
    expect(() => rule.needs(trials([1, stayed]), 'A|B')).toThrow(RangeError)
  })

  it('is made with as many executions as it says, and not with one fewer', () => {
    const planned = fc.record({
      pairs: fc.integer({ min: 1, max: 1000 }),
      alike: fc.integer({ min: 1, max: 12 }),
      others: fc.integer({ min: 0, max: 12 }),
      looks: fc.constantFrom(1, 3, 28),
    })
    fc.assert(
      fc.property(planned, ({ pairs, alike, others, looks }) => {
        const rule = createClaimRule(pairs)
        const at = (executions: number) => trials([alike, differ(executions, looks)], [others, stayed])
        const needs = rule.needs(at(1), 'A|B')
        expect(rule.claims(at(needs), 'A|B')).toBe(true)
        expect(needs).toBeGreaterThanOrEqual(rule.needed)
        expect(rule.claims(at(needs - 1), 'A|B')).toBe(false)
      }),
    )
  })

  it('does not depend on the order of trials', () => {
    const some = trials([3, differ(2)], [2, differ(5)], [1, differ(4, 3)], [4, stayed])
    expect(createClaimRule(50).claims(some, 'A|B')).toBe(createClaimRule(50).claims(some.toReversed(), 'A|B'))
  })
})
