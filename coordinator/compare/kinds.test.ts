import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arbitraryBits } from '../../test/hostile-bits.ts'
import { floatValue } from '../../shared/half.ts'
import { type DType, type FloatDType, bytesOf, createTensor, tensorFromBits } from '../../shared/tensor.ts'
import { ulpDistance } from '../../shared/ulp.ts'
import type { DifferenceKind } from '../report/format.ts'
import { compareTensors } from './elements.ts'
import { kindOf } from './kinds.ts'

const pairs: [DType, string, string, DifferenceKind][] = [
  ['f32', 'ffc00000', '7fc00000', 'nan-sign'],
  ['f32', '7fc00001', '7fc00002', 'nan-payload'],
  ['f32', '7fc00001', 'ffc00002', 'nan-payload'],
  ['f32', '7fc00000', '3f800000', 'nan-number'],
  ['f32', '7fc00000', '7f800000', 'nan-number'],
  ['f32', '7f800000', 'ff800000', 'infinity-sign'],
  ['f32', '7f800000', '3f800000', 'infinity'],
  ['f32', '00000000', 'ff800000', 'infinity'],
  ['f32', '7f800000', '7f7ffffe', 'infinity'],
  ['f32', '7f800000', '7f7fffff', 'saturation'],
  ['f32', '7f7fffff', '3f800000', 'saturation'],
  ['f32', '7f7fffff', '7f7ffff7', 'rounding'],
  ['f32', '7f7fffff', '7f7ffff6', 'saturation'],
  ['f32', '7f7fffff', 'ff7fffff', 'larger'],
  ['f32', '00000000', '80000000', 'sign-of-zero'],
  ['f32', '00000000', '00000001', 'subnormal-zero'],
  ['f32', '807fffff', '00000000', 'subnormal-zero'],
  ['f32', '00000000', '00800000', 'zero'],
  ['f32', '00000001', '80000001', 'rounding'],
  ['f32', '3f800000', '3f800008', 'rounding'],
  ['f32', '3f800000', '3f800009', 'larger'],
  ['f16', '7bff', '3c00', 'saturation'],
  ['f16', '03ff', '8000', 'subnormal-zero'],
  ['f16', '0400', '0000', 'zero'],
  ['bf16', '7f7f', '3f80', 'saturation'],
  ['bf16', '007f', '0000', 'subnormal-zero'],
  ['bf16', '3f80', '3f89', 'larger'],
  ['f64', '000fffffffffffff', '0000000000000000', 'subnormal-zero'],
  ['f64', '0010000000000000', '0000000000000000', 'zero'],
  ['f64', '7fefffffffffffff', '3ff0000000000000', 'saturation'],
  ['f64', '7fefffffffffffff', '7ff0000000000000', 'saturation'],
  ['f64', '3ff0000000000000', '3ff0000000000009', 'larger'],
  ['f64', 'fff8000000000000', '7ff8000000000000', 'nan-sign'],
  ['u8', 'ff', '03', 'saturation'],
  ['u8', 'ff', 'fe', 'integer'],
  ['u8', '00', '03', 'integer'],
  ['i8', '80', '7f', 'integer'],
  ['i8', '80', '05', 'saturation'],
  ['i64', '7fffffffffffffff', '0000000000000000', 'saturation'],
  ['i32', '00000003', '00000004', 'integer'],
  ['bool', '00', '01', 'zero'],
]

test.each(pairs)('%s %s against %s is %s, whichever side is which', (dtype, p, q, kind) => {
  expect(kindOf(dtype, BigInt(`0x${p}`), BigInt(`0x${q}`))).toBe(kind)
  expect(kindOf(dtype, BigInt(`0x${q}`), BigInt(`0x${p}`))).toBe(kind)
  const { first, statistics } = compareTensors(tensorFromBits(dtype, [1], [p]), tensorFromBits(dtype, [1], [q]))
  expect([first?.kind, statistics.kinds]).toEqual([kind, { [kind]: 1 }])
})

/** A second definition, by values: what the kind says must be true of the two numbers. */
function isTrue(dtype: FloatDType, p: bigint, q: bigint, kind: DifferenceKind): boolean {
  const [x, y] = [floatValue(dtype, p), floatValue(dtype, q)]
  const [small, large] = [Math.min(Math.abs(x), Math.abs(y)), Math.max(Math.abs(x), Math.abs(y))]
  const limits = { f16: 65504, bf16: 2 ** 127 * (2 - 2 ** -7), f32: 2 ** 127 * (2 - 2 ** -23), f64: Number.MAX_VALUE }
  const leastNormal = { f16: 2 ** -14, bf16: 2 ** -126, f32: 2 ** -126, f64: 2 ** -1022 }
  const atLimit = (value: number) => Math.abs(value) === limits[dtype]
  const near = (ulpDistance(dtype, p, q) ?? 9n) <= 8n
  if (Number.isNaN(x) || Number.isNaN(y)) {
    return Number.isNaN(x) && Number.isNaN(y) ? kind === 'nan-sign' || kind === 'nan-payload' : kind === 'nan-number'
  }
  if (large === Infinity) {
    return kind === (small === Infinity ? 'infinity-sign' : atLimit(small) ? 'saturation' : 'infinity')
  }
  if (small === 0)
    return kind === (large === 0 ? 'sign-of-zero' : large < leastNormal[dtype] ? 'subnormal-zero' : 'zero')
  if (near) return kind === 'rounding'
  return kind === (atLimit(x) !== atLimit(y) ? 'saturation' : 'larger')
}

test('the kind of any pair is true of its values, and the counts add up to the unequal elements', () => {
  const floats = fc.constantFrom<FloatDType>('f16', 'bf16', 'f32', 'f64').chain((dtype) => {
    const close = arbitraryBits(dtype).chain((p) =>
      fc.bigInt(0n, 12n).map((step): [string, string] => {
        return [p, (BigInt(`0x${p}`) ^ step).toString(16).padStart(p.length, '0')]
      }),
    )
    const pair = fc.oneof(close, fc.tuple(arbitraryBits(dtype), arbitraryBits(dtype)))
    return fc.tuple(fc.constant(dtype), fc.array(pair, { minLength: 1, maxLength: 40 }))
  })
  fc.assert(
    fc.property(floats, ([dtype, list]) => {
      const [a, b] = [0, 1].map((side) =>
        tensorFromBits(
          dtype,
          [list.length],
          list.map((pair) => pair[side] as string),
        ),
      )
      if (a === undefined || b === undefined) throw new Error('two sides')
      const { statistics } = compareTensors(a, b)
      const expected: Record<string, number> = {}
      for (const [p, q] of list) {
        if (p === q) continue
        const kind = kindOf(dtype, BigInt(`0x${p}`), BigInt(`0x${q}`))
        expect([p, q, kind, isTrue(dtype, BigInt(`0x${p}`), BigInt(`0x${q}`), kind)]).toEqual([p, q, kind, true])
        expected[kind] = (expected[kind] ?? 0) + 1
      }
      expect(statistics.kinds).toEqual(expected)
      expect(Object.values(statistics.kinds).reduce((sum, count) => sum + count, 0)).toBe(statistics.unequal)
    }),
    { numRuns: 500 },
  )
})

const f32 = (values: readonly number[]) => createTensor('f32', [values.length], bytesOf(Float32Array.from(values)))

test('a permutation is told, a tensor with one other value is not', () => {
  const values = Array.from({ length: 1000 }, (_, i) => Math.sin(i))
  const permuted = values.map((_, i) => values[(i * 7 + 3) % 1000] as number)
  expect(compareTensors(f32(values), f32(permuted)).statistics.patterns).toEqual(['permutation'])
  expect(compareTensors(f32(values), f32([...permuted.slice(0, 999), 2])).statistics.patterns).toEqual([])
  // The sums of the patterns are equal, the patterns are not.
  const [a, b] = [tensorFromBits('f32', [2], ['3f800001', '3f800003']), f32([0, 0])]
  b.bytes.set(tensorFromBits('f32', [2], ['3f800000', '3f800004']).bytes)
  expect(compareTensors(a, b).statistics.patterns).toEqual([])
  for (const dtype of ['i32', 'u8', 'i64', 'f64', 'f16'] as const) {
    const digits = { i32: 8, u8: 2, i64: 16, f64: 16, f16: 4 }[dtype]
    const bits = ['11', '21', '31', '41'].map((text) => text.padEnd(digits, '0'))
    const of = (order: readonly number[]) =>
      tensorFromBits(
        dtype,
        [4],
        order.map((i) => bits[i] as string),
      )
    expect(compareTensors(of([0, 1, 2, 3]), of([3, 0, 1, 2])).statistics.patterns).toEqual(['permutation'])
    expect(compareTensors(of([0, 1, 2, 3]), of([3, 0, 1, 1])).statistics.patterns).toEqual([])
  }
})

test('another mask is told by zeros on one side in many elements, and few zeros are no mask', () => {
  const values = Array.from({ length: 400 }, (_, i) => 1 + i / 7)
  const masked = (phase: number) => f32(values.map((value, i) => ((i * 13 + phase) % 5 === 0 ? 0 : value)))
  const { statistics } = compareTensors(masked(0), masked(1))
  expect(statistics).toMatchObject({ unequal: 160, kinds: { zero: 160 }, patterns: ['mask'] })
  const few = f32(values.map((value, i) => (i < 7 ? 0 : value)))
  expect(compareTensors(f32(values), few).statistics.patterns).toEqual([])
  const bools = (bits: string) =>
    tensorFromBits(
      'bool',
      [bits.length],
      bits.split('').map((bit) => `0${bit}`),
    )
  expect(compareTensors(bools('1111000000'), bools('0000111100')).statistics).toMatchObject({
    kinds: { zero: 8 },
    patterns: ['mask'],
  })
})

test('zeros on one side only are no other mask', () => {
  const values = Array.from({ length: 64 }, (_, i) => 1 + i)
  const zeros = f32(values.map(() => 0))
  for (const sides of [
    [f32(values), zeros],
    [zeros, f32(values)],
  ] as const) {
    expect(compareTensors(...sides).statistics).toMatchObject({ kinds: { zero: 64 }, patterns: [] })
  }
  const partly = f32(values.map((value, i) => (i < 56 ? value + 1 : 0)))
  expect(compareTensors(f32(values), partly).statistics.patterns).toEqual([])
  // Zeros with a sign are zeros.
  const masked = (phase: number, zero: number) => f32(values.map((value, i) => (i % 4 === phase ? zero : value)))
  expect(compareTensors(masked(0, -0), masked(1, 0)).statistics.patterns).toEqual(['mask'])
})
