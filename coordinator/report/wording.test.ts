import { expect, it } from 'vitest'
import { uniqueNames } from './wording.ts'

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
