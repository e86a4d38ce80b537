import { expect, test } from 'vitest'
import { differenceKinds, type Growth, type SelfDifference } from './format.ts'
import {
  differenceText,
  kindName,
  kindText,
  normFigure,
  pointFigure,
  selfDifferenceText,
  ulpFigure,
} from './kind-text.ts'

test('every kind has words of its own', () => {
  expect(new Set(differenceKinds.map(kindName)).size).toBe(differenceKinds.length)
})

test('kinds are named from the most to the least frequent, with their counts unless there is one element', () => {
  const text = (kinds: Parameters<typeof kindText>[0]['kinds'], most?: number) =>
    kindText({ kinds, patterns: [] }, most)
  expect(text({})).toBe('')
  expect(text({ 'subnormal-zero': 1 })).toBe('subnormal against zero (flush)')
  expect(text({ rounding: 12_345 })).toBe('12\u202f345 rounding (at most 8 ULP)')
  expect(text({ rounding: 1, 'nan-number': 3, 'sign-of-zero': 2 })).toBe(
    '3 NaN against number, 2 sign of zero and 1 rounding (at most 8 ULP)',
  )
  expect(text({ rounding: 5, larger: 4, zero: 3, infinity: 2 }, 2)).toBe(
    '5 rounding (at most 8 ULP), 4 more than 8 ULP apart and 5 other',
  )
  expect(kindText({ kinds: { larger: 9 }, patterns: ['permutation', 'mask'] })).toBe(
    '9 more than 8 ULP apart; the same values in another order (permutation); zero in other places (another mask)',
  )
})

test('a figure that does not exist is a word', () => {
  expect([ulpFigure({ maxUlp: null }), ulpFigure({ maxUlp: '12' })]).toEqual(['not measured', '12 ULP'])
  expect([null, 'infinite' as const, 0.5].map((relativeL2) => normFigure({ relativeL2 }))).toEqual([
    'not measured',
    'infinite',
    '0.5',
  ])
  const point: Growth['points'][number] = {
    ...{ step: 1, seq: 1, state: 'measured', kinds: {}, maxUlp: '3', relativeL2: 1, unequal: 1 },
  }
  expect(pointFigure(point)).toBe('3 ULP')
  expect(pointFigure({ ...point, kinds: { 'subnormal-zero': 4 } })).toBe('subnormal against zero (flush)')
  expect(pointFigure({ ...point, kinds: { 'subnormal-zero': 4, larger: 1 } })).toBe('3 ULP')
  expect(pointFigure({ ...point, state: 'equal', unequal: 0, maxUlp: '0' })).toBe('equal')
  expect(pointFigure({ ...point, state: 'nan', maxUlp: '0' })).toBe('NaN')
  expect(pointFigure({ ...point, state: 'infinite' })).toBe('infinite')
  expect(pointFigure({ ...point, state: 'not-measured', unequal: null })).toBe('not measured')
  expect(pointFigure({ ...point, maxUlp: null, relativeL2: null, unequal: 0.25 })).toBe('25\u202f%')
})

test('one element is told by its distance, or by its kind if a distance would mislead', () => {
  expect(differenceText({ ulp: '3', kind: 'rounding' })).toBe('3 ULP apart')
  expect(differenceText({ ulp: '3000', kind: 'larger' })).toBe('3000 ULP apart')
  expect(differenceText({ ulp: '2024022533073107', kind: 'subnormal-zero' })).toBe('subnormal against zero (flush)')
  expect(differenceText({ ulp: null, kind: 'nan-sign' })).toBe('NaN against NaN (sign)')
  // Of a report from before kinds were told.
  expect(differenceText({ ulp: '3', kind: null })).toBe('3 ULP apart')
})

test('a cell that disagrees with itself: where, which bits, how many elements, over how many results', () => {
  const found: SelfDifference = {
    ...{ looked: 5, tensors: 5, digests: [], read: 5, element: 2, indices: [0, 2], varying: 7, elements: 64 },
    checkpoint: { seq: 3, step: 0, name: 'y', dtype: 'f32', shape: [8, 8] },
    bits: ['3f800000', '3f800001'],
    values: ['1', '1.0000001'],
  }
  const where = 'checkpoint 3 y (step 0, f32[8, 8]), element [0, 2]: 2 different values, 3f800000, 3f800001'
  expect(selfDifferenceText(found)).toBe(`${where}; 7 of 64 elements vary over 5 results`)
  expect(selfDifferenceText({ ...found, read: 2 })).toBe(`${where}; 7 of 64 elements vary over 2 of 5 results`)
  const many = { ...found, bits: ['a', 'b', 'c', 'd', 'e'] }
  expect(selfDifferenceText(many)).toContain('5 different values, a, b, c, d and 1 more;')
  expect(selfDifferenceText({ ...found, element: null, bits: null, missing: 'its bytes are gone' })).toBe(
    'checkpoint 3 y (step 0, f32[8, 8]), 5 different results; its bytes are gone',
  )
})
