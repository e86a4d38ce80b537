import { expect, it } from 'vitest'
import { otherOutcomesBelow } from './self.ts'

it('bounds what k agreeing executions leave open: 95 % at 2, 78 % at 3, 28 % at 10, 5 % at 60', () => {
  expect([2, 3, 10, 60].map((k) => Math.round((otherOutcomesBelow(k) as number) * 100))).toEqual([95, 78, 28, 5])
})

it('knows nothing after one execution', () => {
  expect(otherOutcomesBelow(1)).toBeNull()
  expect(otherOutcomesBelow(0)).toBeNull()
})
