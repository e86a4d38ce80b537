import { describe, expect, it } from 'vitest'
import { canShowCause, classSizes, eachWay, waysToPart } from './ways.ts'
import { partitionBy } from './partition.ts'

const sizesOf = (all: string[]) => classSizes(partitionBy(all))

describe('waysToPart', () => {
  it.each([
    [[3, 3], 10n],
    [[4, 3], 35n],
    [[4, 2], 15n],
    [[19, 1], 20n],
    [[1, 1, 1], 1n],
    [[2, 2, 2], 15n],
    [[5], 1n],
  ])('%j: %d', (sizes, ways) => {
    expect(waysToPart(sizes)).toBe(ways)
  })

  it('is exact for a thousand', () => {
    expect(waysToPart([998, 2])).toBe(499_500n)
    expect(waysToPart([500, 500]).toString()).toHaveLength(300)
  })
})

describe('canShowCause', () => {
  it('needs seven machines in two classes, and twenty for one odd among them', () => {
    const showing = (n: number) =>
      Array.from({ length: Math.floor(n / 2) }, (_, i) => i + 1).filter((odd) =>
        canShowCause(waysToPart([n - odd, odd])),
      )
    expect([2, 3, 4, 5, 6].flatMap(showing)).toEqual([])
    expect(showing(7)).toEqual([2, 3])
    expect(showing(19)).not.toContain(1)
    expect(showing(20)).toContain(1)
  })
})

describe('eachWay', () => {
  const all = (sizes: number[]) => {
    const found: string[] = []
    eachWay(sizes, (classes) => found.push([...classes].join('')))
    return found
  }

  it.each([[[3, 3]], [[4, 3]], [[1, 4, 2]], [[2, 2, 2]], [[5, 1]], [[1, 1]], [[2, 2, 1, 1]], [[6]]])(
    'visits each way once: %j',
    (sizes) => {
      const found = all(sizes)
      expect(BigInt(found.length)).toBe(waysToPart(sizes))
      // As partitions, not as texts, they are distinct and of the right sizes.
      const partitions = new Set(found.map((text) => partitionBy(text.split('')).blocks.join('')))
      expect(BigInt(partitions.size)).toBe(waysToPart(sizes))
      const sorted = sizes.toSorted((a, b) => b - a)
      for (const text of found) {
        expect(sizesOf(text.split(''))).toEqual(sorted)
        expect(sorted.map((_, k) => text.split(String(k)).length - 1)).toEqual(sorted)
      }
    },
  )

  it('takes one odd among ten thousand without a deep recursion', () => {
    let visits = 0
    eachWay([9999, 1], () => visits++)
    expect(visits).toBe(10_000)
  })
})
