import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FloatDType } from '../../../shared/tensor.ts'
import { createAccumulate } from './accumulate.ts'
import { type SteppedOrder, formatOrder, orderPattern, parseOrder } from './order.ts'
import { roundings } from './rounding.ts'

const orders = [
  ...[
    'sequential',
    'reverse',
    'pairwise',
    'halving',
    'lanes:1',
    'lanes:3',
    'lanes:8',
    'chunks:1',
    'chunks:3',
    'chunks:100',
  ],
  ...['blocks:1', 'blocks:4', 'blocks:100', 'shuffled-chunks:3:42', 'shuffled-chunks:100:7', 'kahan', 'neumaier'],
]

function sum(order: string, terms: number[], dtype: FloatDType = 'f32'): number {
  return createAccumulate(parseOrder(order) as SteppedOrder, roundings[dtype])(Float64Array.from(terms))
}

/** The sums an order makes on its way, each as the letters of the terms in it. */
function steps(order: string, n: number): string[] {
  const made: string[] = []
  const record = (set: number) => {
    made.push(
      Array.from('abcdefghijkl')
        .filter((_, i) => (set >>> i) & 1)
        .join(''),
    )
    return set
  }
  createAccumulate(parseOrder(order) as SteppedOrder, record)(Float64Array.from({ length: n }, (_, i) => 2 ** i))
  return made
}

describe('the shape of an order', () => {
  it.each([
    ['sequential', 4, 'ab abc abcd'],
    ['reverse', 4, 'cd bcd abcd'],
    ['pairwise', 4, 'ab cd abcd'],
    ['pairwise', 5, 'ab cd abcd abcde'],
    ['pairwise', 7, 'ab cd ef abcd efg abcdefg'],
    ['halving', 4, 'ac bd abcd'],
    ['halving', 5, 'ae ace bd abcde'],
    ['halving', 7, 'ae bf cg aceg bdf abcdefg'],
    ['lanes:2', 5, 'ac bd ace abcde'],
    ['lanes:3', 7, 'ad be cf adg abdeg abcdefg'],
    ['lanes:9', 3, 'ab abc'],
    ['chunks:2', 5, 'ab cd cde abcde'],
    ['chunks:3', 7, 'ab cd ef efg abcd abcdefg'],
    ['chunks:4', 2, 'ab'],
    ['blocks:2', 5, 'ab cd abcd abcde'],
    ['blocks:4', 7, 'ac bd abcd eg efg abcdefg'],
  ])('%s of %i', (order, n, expected) => {
    expect(steps(order, n)).toEqual(expected.split(' '))
  })

  it('of shuffled chunks follows the permutation of the stream `order`', () => {
    // Fisher–Yates of stream `order`, seed 42, n = 3; recomputed by test/golden/orders.py.
    const made = steps('shuffled-chunks:3:42', 3)
    expect(made).toHaveLength(2)
    const reached = new Set(Array.from({ length: 40 }, (_, seed) => steps(`shuffled-chunks:3:${seed}`, 3)[0]))
    expect(reached).toEqual(new Set(['ab', 'ac', 'bc']))
  })
})

describe.each(orders)('%s', (order) => {
  it('sums nothing to +0, and one term to itself', () => {
    expect(Object.is(sum(order, []), 0)).toBe(true)
    expect(Object.is(sum(order, [-0]), -0)).toBe(true)
    expect(sum(order, [1.5])).toBe(1.5)
  })

  it('keeps −0 + −0, of two terms, three and seventeen', () => {
    for (const n of [2, 3, 17]) expect(Object.is(sum(order, new Array<number>(n).fill(-0)), -0)).toBe(true)
    expect(Object.is(sum(order, [-0, 0, -0]), 0)).toBe(true)
  })

  it('is exact on small whole numbers, in every dtype', () => {
    const whole = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 60 })
    fc.assert(
      fc.property(whole, fc.constantFrom<FloatDType>('f64', 'f32', 'f16', 'bf16'), (terms, dtype) => {
        expect(sum(order, terms, dtype) + 0).toBe(terms.reduce((all, term) => all + term, 0))
      }),
    )
  })

  it('negates with its terms', () => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, max: 2 ** 60, min: -(2 ** 60) })
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 60 }), (terms) => {
        expect(
          sum(
            order,
            terms.map((term) => -term),
          ) + 0,
        ).toBe(0 - sum(order, terms))
      }),
    )
  })

  it('passes NaN on, and infinities of both signs end as NaN', () => {
    expect(sum(order, [1, NaN, 2])).toBeNaN()
    expect(sum(order, [Infinity, 1, -Infinity])).toBeNaN()
    // A compensated sum subtracts infinity from itself: Kahan's and Neumaier's correction is NaN then.
    const compensated = order === 'kahan' || order === 'neumaier'
    expect(sum(order, [1, Infinity, 2])).toBe(compensated ? NaN : Infinity)
  })
})

describe('orders that are the same', () => {
  const terms = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 70 })
  it.each([
    ['chunks:1', 'sequential'],
    ['chunks:100', 'sequential'],
    ['lanes:1', 'sequential'],
    ['blocks:1', 'sequential'],
    ['shuffled-chunks:1:9', 'sequential'],
    ['lanes:100', 'pairwise'],
    ['blocks:100', 'halving'],
  ])('%s is %s', (order, other) => {
    fc.assert(
      fc.property(terms, (values) => {
        expect(sum(order, values)).toBe(sum(other, values))
      }),
    )
  })
})

it('compensated sums recover what plain ones lose', () => {
  const terms = [1, ...new Array<number>(64).fill(2 ** -24)]
  expect(sum('sequential', terms)).toBe(1)
  expect(sum('kahan', terms)).toBe(1 + 2 ** -18)
  expect(sum('neumaier', terms)).toBe(1 + 2 ** -18)
  // Where a term is larger than the sum, Kahan's loses and Neumaier's does not.
  expect(sum('kahan', [1, 2 ** 30, 1, -(2 ** 30)])).toBe(0)
  expect(sum('neumaier', [1, 2 ** 30, 1, -(2 ** 30)])).toBe(2)
})

describe('names of orders', () => {
  it.each([
    ...orders,
    'fma',
    'exact',
    'atomic:1',
    'atomic:64',
    'shuffled-chunks:8:340282366920938463463374607431768211455',
  ])('%s reads back', (order) => {
    expect(formatOrder(parseOrder(order))).toBe(order)
    expect(order).toMatch(new RegExp(orderPattern))
  })

  it.each([
    '',
    'Sequential',
    'lanes',
    'lanes:0',
    'lanes:08',
    'lanes:1.5',
    'chunks:-1',
    'atomic:65',
    'atomic:0',
    'exact:2',
  ])('"%s" is refused, with the names there are', (order) => {
    expect(() => parseOrder(order)).toThrow(/has no accumulation order .*; it has sequential/)
  })
})
