import { describe, expect, it } from 'vitest'
import { createAttempts } from './attempts.ts'

describe('attempts', () => {
  it('run out, and come back one by one', () => {
    let now = 0
    const attempts = createAttempts({ tries: 3, refillMs: 100, now: () => now })
    expect([1, 2, 3].map(() => attempts.take(['a']))).toEqual([0, 0, 0])
    expect(attempts.take(['a'])).toBe(100)
    expect(attempts.take(['b'])).toBe(0)
    now = 60
    expect(attempts.take(['a'])).toBe(40)
    now = 100
    expect(attempts.take(['a'])).toBe(0)
    expect(attempts.take(['a'])).toBe(100)
    now = 100_000
    expect([1, 2, 3].map(() => attempts.take(['a']))).toEqual([0, 0, 0])
    expect(attempts.take(['a'])).toBeGreaterThan(0)
  })

  it('need every key, and take nothing where one has none', () => {
    const attempts = createAttempts({ tries: 1, refillMs: 1e9, now: () => 0 })
    expect(attempts.take(['name', 'here'])).toBe(0)
    expect(attempts.take(['name', 'there'])).toBeGreaterThan(0)
    expect(attempts.take(['other', 'there'])).toBe(0)
    attempts.giveBack(['name', 'here'])
    expect(attempts.take(['name', 'here'])).toBe(0)
  })

  it('are counted in bounded memory: the key used longest ago is forgotten', () => {
    const attempts = createAttempts({ tries: 1, refillMs: 1e9, maxKeys: 100, now: () => 0 })
    attempts.take(['first'])
    for (let i = 0; i < 99; i++) attempts.take([`k${i}`])
    expect(attempts.take(['first'])).toBeGreaterThan(0)
    attempts.take(['one more'])
    expect(attempts.take(['first'])).toBe(0)
    expect(attempts.take(['k98'])).toBeGreaterThan(0)
  })
})
