import { describe, expect, it } from 'vitest'
import { agreementShort, duration, percent, uniqueNames } from './wording.ts'

describe('figures for people', () => {
  it('never round a share to all or to nothing', () => {
    expect([percent(1), percent(0)]).toEqual(['100\u202f%', '0\u202f%'])
    for (const share of [0.9995, 1999 / 2000, 0.99999, 1 - Number.EPSILON])
      expect(percent(share)).toBe('>\u202f99.9\u202f%')
    expect(percent(0.9994)).toBe('99.9\u202f%')
    expect(percent(1e-9)).toMatch(/^1/)
  })

  it('round a duration before they divide it', () => {
    expect([999, 59_940, 59_960, 3_599_700, 3_600_000, 7_199_000].map(duration)).toEqual([
      '999 ms',
      '59.9 s',
      '1 min 0 s',
      '1 h 0 min',
      '1 h 0 min',
      '2 h 0 min',
    ])
  })
})

describe('what agreement shows, beside a workload', () => {
  it('is said of the cells in classes: others of the row may disagree with themselves', () => {
    expect(agreementShort({ executions: 8, otherOutcomesBelow: 0.348 })).toBe(
      'The cells in classes agree with themselves, in 8 executions each or more: with 95 % confidence, the other outcomes of a cell are rarer than 34.8\u202f%.',
    )
    expect(agreementShort({ executions: 1, otherOutcomesBelow: null })).toMatch(/^A cell of a class ran once/)
  })
})

const names = (...all: readonly [id: string, name: string][]) => [
  ...uniqueNames(all.map(([id, name]) => ({ id, name }))).values(),
]

it('tells agents of one name apart by their ids', () => {
  expect(names(['k1', 'x'], ['k2', 'y'])).toEqual(['x', 'y'])
  expect(names(['k1', 'x'], ['k2', 'x'], ['k3', 'y'])).toEqual(['x (k1)', 'x (k2)', 'y'])
})

it('gives no two the same name, whatever they are called', () => {
  expect(names(['k1', 'x'], ['k2', 'x'], ['k3', 'x (k1)'])).toEqual(['x (k1)', 'x (k2)', 'x (k1) (k3)'])
  const odd = names(['k1', 'x'], ['k2', 'x'], ['k3', 'x (k1)'], ['k4', 'x (k1) (k3)'])
  expect(new Set(odd).size).toBe(4)
})
