import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { createTrace, type Trace } from '../../shared/trace.ts'
import { firstDivergence, prefixTreeBranches, samePlace } from './prefix-tree.ts'

/** A trace whose checkpoint i holds the tensor named by words[i]. */
function trace(words: readonly string[]): Trace {
  return createTrace(
    words.map((word, seq) => ({ seq, step: seq, name: 'x', dtype: 'f32', shape: [1], digest: digestOf(word) })),
  )
}

/** A long trace made of prefixes alone, which is all that the search reads. */
function longTrace(length: number, partsAt: number, mark: string): Trace {
  const prefixes = Array.from({ length }, (_, i) => (i < partsAt ? `p${i}` : `${mark}${i}`))
  return { checkpoints: [], prefixes, digest: prefixes.at(-1) ?? '' }
}

describe('firstDivergence', () => {
  it.each([
    [1, 0, 0],
    [2, 1, 1],
    [1000, 0, 10],
    [1000, 999, 10],
    [1024, 511, 10],
    [1025, 1024, 11],
  ])('of %d checkpoints finds number %d in at most %d comparisons', (length, at, most) => {
    const found = firstDivergence(longTrace(length, at, 'a'), longTrace(length, at, 'b'))
    expect(found.position).toBe(at)
    expect(found.comparisons).toBeLessThanOrEqual(most)
  })

  it('takes ⌈log₂ n⌉ comparisons in a million checkpoints, wherever it is', { timeout: 60_000 }, () => {
    const n = 1_000_000
    const whole = longTrace(n, n, '')
    for (const at of [0, 1, 499_999, 500_000, 777_777, n - 1]) {
      const { position, comparisons } = firstDivergence(whole, longTrace(n, at, 'b'))
      expect(position).toBe(at)
      expect(comparisons).toBeLessThanOrEqual(20)
      expect(comparisons).toBeGreaterThanOrEqual(19)
    }
  })

  it('finds the end of the shorter of two traces, one of which begins the other', () => {
    expect(firstDivergence(trace(['a', 'b']), trace(['a', 'b', 'c']))).toMatchObject({ position: 2 })
    expect(firstDivergence(trace(['a', 'x']), trace(['a', 'b', 'c']))).toMatchObject({ position: 1 })
  })
})

describe('prefixTreeBranches', () => {
  it('leaves the first trace that shares the prefix, once for every further child', () => {
    const traces = [
      ['i', 'a', 'b'],
      ['i', 'a', 'c'],
      ['i', 'd', 'e'],
      ['i', 'd', 'f'],
      ['i', 'a', 'c2'],
      ['j', 'a', 'b'],
    ].map(trace)
    expect(prefixTreeBranches(traces).map(({ a, b, position }) => [a, b, position])).toEqual([
      [0, 1, 2],
      [0, 2, 1],
      [2, 3, 2],
      [0, 4, 2],
      [0, 5, 0],
    ])
  })

  it('is what comparing every trace with every earlier one finds', () => {
    const words = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 6 })
    const distinct = fc.uniqueArray(words, { minLength: 1, maxLength: 14, selector: (word) => word.join('') })
    fc.assert(
      fc.property(distinct, (all) => {
        const shared = (x: readonly string[], y: readonly string[]) => {
          const at = x.findIndex((word, i) => word !== y[i])
          return at === -1 ? x.length : at
        }
        const expected = all.slice(1).map((own, i) => {
          const lengths = all.slice(0, i + 1).map((other) => shared(own, other))
          const position = Math.max(...lengths)
          return { a: lengths.indexOf(position), b: i + 1, position }
        })
        const found = prefixTreeBranches(all.map(trace)).map(({ a, b, position }) => ({ a, b, position }))
        expect(found).toEqual(expected)
      }),
    )
  })
})

it('tells a place of one schema from another', () => {
  const place = { seq: 1, step: 1, name: 'x', dtype: 'f32', shape: [2, 3], digest: digestOf('') } as const
  expect(samePlace(place, { ...place, digest: digestOf('y') })).toBe(true)
  for (const other of [{ name: 'y' }, { step: 2 }, { dtype: 'f64' as const }, { shape: [3, 2] }]) {
    expect(samePlace(place, { ...place, ...other })).toBe(false)
  }
})
