import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createStream } from '../../shared/random/stream.ts'
import { createExistence } from './existence.ts'
import { type Partition, partitionBy } from './partition.ts'
import { searchEqual, searchRefining } from './search.ts'
import { classSizes } from './ways.ts'

/** Classes by size, as in every assignment. */
function assignmentOf(classes: Partition) {
  const sizes = new Array<number>(classes.count).fill(0)
  for (const k of classes.blocks) sizes[k] = (sizes[k] as number) + 1
  const order = sizes.map((_, k) => k).sort((a, b) => (sizes[b] as number) - (sizes[a] as number))
  const blocks = classes.blocks.map((k) => order.indexOf(k))
  return { classOf: (unit: number) => blocks[unit] as number, all: () => blocks }
}

/** By size and kind: what is told, twice, and what the search for all sets finds. */
function answers(partitions: readonly Partition[], classes: Partition): { told: unknown[]; found: unknown[] } {
  const assignment = assignmentOf(classes)
  const told: unknown[] = []
  const found: unknown[] = []
  for (const maxSize of [1, 2, 3]) {
    for (const equal of [true, false]) {
      const search = equal ? searchEqual : searchRefining
      const exists = createExistence(partitions, classSizes(classes), maxSize, { steps: 0 }, equal)
      const expected = search(partitions, classes, maxSize, { steps: 0 }).length > 0
      // A second answer does not depend on the first.
      told.push([maxSize, equal, exists(assignment), exists(assignment)])
      found.push([maxSize, equal, expected, expected])
    }
  }
  return { told, found }
}

describe('createExistence', () => {
  it('agrees with the search for all sets', () => {
    const value = fc.constantFrom('0', '1', '2')
    const column = (n: number) => fc.array(value, { minLength: n, maxLength: n })
    const table = fc
      .integer({ min: 2, max: 9 })
      .chain((n) => fc.tuple(column(n), fc.array(column(n), { minLength: 1, maxLength: 7 })))
    fc.assert(
      fc.property(table, ([outcome, columns]) => {
        const classes = partitionBy(outcome)
        const partitions = columns.map(partitionBy).filter(({ count }) => count > 1)
        if (classes.count < 2 || partitions.length === 0) return
        const { told, found } = answers(partitions, classes)
        expect(told).toEqual(found)
      }),
      { numRuns: 500 },
    )
  })

  it.each([80, 450])('agrees with it for %i units, where it does not look at all pairs', (n) => {
    for (let seed = 0; seed < 40; seed++) {
      const stream = createStream(String(seed), 'existence')
      const column = (values: number) => Array.from({ length: n }, () => String(stream.below(values)))
      const columns = Array.from({ length: 8 }, () => column(2 + stream.below(3)))
      const partitions = columns.map(partitionBy)
      // Classes made of one, two or three of the columns, or of four, which is too many; merged, so that sets are finer.
      const made = Array.from({ length: n }, (_, unit) => {
        const text = columns.slice(0, 1 + (seed % 4)).map((values) => values[unit] as string)
        return seed % 3 === 0 ? String(text.filter((one) => one === '1').length % 2) : text.join('')
      })
      const own = partitionBy(made.map((_, unit) => String(unit)))
      const all = [answers(partitions, partitionBy(made)), answers([...partitions, own], partitionBy(column(2)))]
      for (const { told, found } of all) expect(told).toEqual(found)
    }
  })
})
