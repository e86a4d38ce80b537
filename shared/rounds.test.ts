import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { permutedRounds } from './rounds.ts'

const cellsOf = (repetitions: readonly number[]) =>
  repetitions.map((count, i) => ({ id: `c-${i}`, position: i, repetitions: count }))
const round = (turns: ReturnType<typeof permutedRounds>, wanted: number) =>
  turns.filter(({ repetition }) => repetition === wanted).map(({ cell }) => cell.id)

describe('the rounds of a run', () => {
  it('hold every execution once, one round after the other', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 12 }), fc.string(), (repetitions, run) => {
        const turns = permutedRounds(cellsOf(repetitions), run.replaceAll('\0', ''), 'a')
        const expected = repetitions.flatMap((count, i) => Array.from({ length: count }, (_, r) => `c-${i}/${r}`))
        expect(turns.map(({ cell, repetition }) => `${cell.id}/${repetition}`).sort()).toEqual(expected.sort())
        const order = turns.map(({ repetition }) => repetition)
        expect(order).toEqual(order.toSorted((a, b) => a - b))
      }),
    )
  })

  it('come in the same order again, however the cells are stored', () => {
    const cells = cellsOf([3, 3, 3, 3, 3, 3, 3, 3])
    expect(permutedRounds(cells.toReversed(), 'run', 'a')).toEqual(permutedRounds(cells, 'run', 'a'))
  })

  it('differ from round to round, from run to run and from agent to agent', () => {
    const cells = cellsOf(new Array<number>(20).fill(2))
    const turns = permutedRounds(cells, 'run', 'a')
    const orders = [
      round(turns, 0),
      round(turns, 1),
      round(permutedRounds(cells, 'run 2', 'a'), 0),
      round(permutedRounds(cells, 'run', 'b'), 0),
      cells.map(({ id }) => id),
    ]
    expect(new Set(orders.map(String)).size).toBe(orders.length)
  })

  it('put each of two cells first about as often, in each round alike', () => {
    const cells = cellsOf([4, 4])
    const first = [0, 0, 0, 0]
    for (let run = 0; run < 1000; run++) {
      const turns = permutedRounds(cells, `run-${run}`, 'a')
      for (const r of [0, 1, 2, 3]) if (round(turns, r)[0] === 'c-0') first[r] = (first[r] ?? 0) + 1
    }
    // 1,000 fair draws are within five standard deviations, about 79 of 500.
    for (const count of first) expect(Math.abs(count - 500)).toBeLessThan(79)
  })
})
