import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCrowd } from './crowd.ts'

describe('a crowd', () => {
  const watched = (max: number, maxPerAddress: number) => {
    const crowd = createCrowd({ max, maxPerAddress })
    const expelled: string[] = []
    return {
      crowd,
      expelled,
      enter: (address: string, name: string) => crowd.enter(address, () => expelled.push(name)),
    }
  }

  it('ends the oldest of an address that brings too many', () => {
    const { crowd, expelled, enter } = watched(100, 2)
    for (const name of ['a1', 'a2', 'a3', 'a4']) enter('10.0.0.1', name)
    enter('10.0.0.2', 'b1')
    expect(expelled).toEqual(['a1', 'a2'])
    expect(crowd.size).toBe(3)
  })

  it('ends the oldest of the address that has most, so that a flood ends itself', () => {
    const { expelled, enter } = watched(4, 4)
    enter('10.0.0.1', 'honest')
    for (let i = 0; i < 10; i++) enter('10.0.0.9', `flood ${i}`)
    expect(expelled).toEqual(Array.from({ length: 7 }, (_, i) => `flood ${i}`))
  })

  it('counts a host of IPv6 once, whichever of its addresses it uses, and IPv4 in either form', () => {
    const { expelled, enter } = watched(100, 1)
    enter('2001:db8:1:2::1', 'a')
    enter('2001:db8:1:2:ffff::9', 'b')
    enter('2001:db8:1:3::1', 'c')
    enter('::ffff:10.0.0.1', 'd')
    enter('10.0.0.1', 'e')
    expect(expelled).toEqual(['a', 'd'])
  })

  it('gives loopback, where a reverse proxy may stand, all there is', () => {
    const { expelled, enter } = watched(3, 1)
    for (const name of ['a', 'b', 'c', 'd']) enter('127.0.0.1', name)
    expect(expelled).toEqual(['a'])
  })

  it('forgets who left, and expels nobody twice', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean())), (steps) => {
        const crowd = createCrowd({ max: 3, maxPerAddress: 2 })
        const here = new Set<number>()
        const leaves: (() => void)[] = []
        steps.forEach(([address, leavesAgain], i) => {
          here.add(i)
          const leave = crowd.enter(`10.0.0.${address}`, () => {
            if (!here.delete(i)) throw new Error('expelled twice, or after it left')
          })
          leaves.push(leave)
          expect(here.has(i)).toBe(true)
          if (leavesAgain) {
            leave()
            leave()
            here.delete(i)
          }
          expect(crowd.size).toBe(here.size)
          expect(here.size).toBeLessThanOrEqual(3)
        })
        for (const leave of leaves) leave()
        expect(crowd.size).toBe(0)
      }),
    )
  })
})
