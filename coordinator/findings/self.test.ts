import { expect, it } from 'vitest'
import { otherOutcomesBelow } from './self.ts'

it('bounds what equal executions leave open', () => {
  const percent = [2, 3, 10, 60].map((k) => Math.round(100 * (otherOutcomesBelow(k) as number)))
  expect(percent).toEqual([95, 78, 28, 5])
})

it('says nothing of a cell that ran once, or not at all', () => {
  expect([0, 1].map(otherOutcomesBelow)).toEqual([null, null])
})

it('is the share of which k − 1 executions show nothing in 5 % of all cells', () => {
  for (const k of [2, 5, 17]) expect((1 - (otherOutcomesBelow(k) as number)) ** (k - 1)).toBeCloseTo(0.05, 12)
})
