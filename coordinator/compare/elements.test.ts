import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arbitraryTensor, hostileTensors, unaligned } from '../../test/hostile-bits.ts'
import {
  type DType,
  type Tensor,
  bitsHex,
  createTensor,
  dtypeBytes,
  elementCount,
  isFloat,
  tensorFromBits,
} from '../../shared/tensor.ts'
import { ulpBucket, ulpDistance } from '../../shared/ulp.ts'
import { compareTensors, indicesOf } from './elements.ts'

const f32 = (...bits: string[]) => tensorFromBits('f32', [bits.length], bits)

test('equal bits are equal, NaNs of one encoding too', () => {
  for (const tensor of hostileTensors()) {
    const { equal, first, statistics } = compareTensors(tensor, unaligned(tensor))
    expect([equal, first, statistics.unequal]).toEqual([true, null, 0])
    const elements = elementCount(tensor.shape)
    expect(statistics.histogram).toEqual(
      isFloat(tensor.dtype) && elements > 0 ? [{ bucket: '0', count: elements }] : [],
    )
    expect(statistics.maxUlp).toBe(isFloat(tensor.dtype) ? '0' : null)
  }
})

test('each kind of pair falls in its bucket', () => {
  const a = f32('00000000', '3f800000', '7fc00000', '00000001', 'ff800000', '7fa00001', '3f800000')
  const b = f32('80000000', '3f800005', '7fc00000', '80000001', 'ff7fffff', '7fa00002', '7fc00000')
  const { equal, first, statistics } = compareTensors(a, b)
  expect(equal).toBe(false)
  const bits = ['00000000', '80000000']
  expect(first).toEqual({ element: 0, indices: [0], bits, values: ['0', '-0'], ulp: '0', kind: 'sign-of-zero' })
  expect(statistics).toEqual({
    elements: 7,
    unequal: 6,
    kinds: { 'sign-of-zero': 1, rounding: 2, saturation: 1, 'nan-payload': 1, 'nan-number': 1 },
    patterns: [],
    signOfZero: 1,
    nan: 2,
    maxUlp: '5',
    relativeL2: 5 * 2 ** -23,
    notMeasured: {},
    histogram: [
      { bucket: '0', count: 1 },
      { bucket: '1', count: 1 },
      { bucket: '2', count: 1 },
      { bucket: '5-8', count: 1 },
      { bucket: 'nan', count: 2 },
      { bucket: 'sign-of-zero', count: 1 },
    ],
  })
})

test('integers are counted, and have neither distance nor histogram', () => {
  const a = tensorFromBits('i64', [2], ['0020000000000000', 'ffffffffffffffff'])
  const b = tensorFromBits('i64', [2], ['0020000000000001', 'ffffffffffffffff'])
  expect(compareTensors(a, b)).toEqual({
    equal: false,
    first: {
      element: 0,
      indices: [0],
      bits: ['0020000000000000', '0020000000000001'],
      values: ['9007199254740992', '9007199254740993'],
      ulp: null,
      kind: 'integer',
    },
    statistics: {
      ...{ elements: 2, unequal: 1, kinds: { integer: 1 }, patterns: [], signOfZero: 0, nan: 0 },
      ...{ maxUlp: null, relativeL2: null, histogram: [] },
      notMeasured: { maxUlp: 'i64 is not a floating-point type', relativeL2: 'i64 is not a floating-point type' },
    },
  })
})

test('the relative L2 is null without a denominator and zero without a difference', () => {
  const l2 = (a: Tensor, b: Tensor) => compareTensors(a, b).statistics.relativeL2
  expect(l2(f32('00000000'), f32('3f800000'))).toBe(null)
  expect(l2(f32('7fc00000'), f32('3f800000'))).toBe(null)
  expect(l2(f32('7f800000', '40000000'), f32('3f800000', '40000000'))).toBe(null)
  expect(l2(f32('7f800000', '40000000'), f32('3f800000', '40800000'))).toBe(1)
  expect(l2(f32('40000000'), f32('40000000'))).toBe(0)
  expect(l2(f32('80000000'), f32('80000000'))).toBe(null)
  expect(l2(f32('40800000', '40400000'), f32('40800000', '00000000'))).toBe(0.6)
})

test('squares beyond the range of binary64 are scaled', () => {
  const l2 = (a: string[], b: string[]) =>
    compareTensors(tensorFromBits('f64', [a.length], a), tensorFromBits('f64', [b.length], b)).statistics.relativeL2
  expect(l2(['7fe0000000000000'], ['ffe0000000000000'])).toBe(2)
  expect(l2(['0000000000000002'], ['0000000000000001'])).toBe(0.5)
  // The least subnormal against nearly the largest number: ‖a‖ is not 0, and the ratio is beyond binary64.
  expect(l2(['0000000000000001', '0000000000000000'], ['7fe0000000000000', '7fe0000000000000'])).toBe('infinite')
  expect(l2(['0000000000000001'], ['7fe0000000000000'])).toBe('infinite')
  expect(l2(['7fefffffffffffff'], ['ffefffffffffffff'])).toBe(2)
  expect(l2(['3ff0000000000000', '1000000000000000'], ['3ff0000000000000', '1008000000000000'])).toBe(2 ** -768)
})

test('tensors that cannot be compared are refused', () => {
  const of = (dtype: DType, shape: number[]) =>
    createTensor(dtype, shape, new Uint8Array(elementCount(shape) * dtypeBytes[dtype]))
  expect(() => compareTensors(of('f32', [2]), of('i32', [2]))).toThrow('f32[2] and i32[2] cannot be compared')
  expect(() => compareTensors(of('f32', [2, 3]), of('f32', [3, 2]))).toThrow('cannot be compared')
  expect(() => compareTensors(of('f32', []), of('f32', [1]))).toThrow('cannot be compared')
})

test('indices count in C order', () => {
  expect(indicesOf(0, [])).toEqual([])
  expect(indicesOf(23, [2, 3, 4])).toEqual([1, 2, 3])
  expect(indicesOf(2 ** 31 + 5, [2 ** 31, 8])).toEqual([2 ** 28, 5])
})

test('any pair: counts, first difference and distances agree with the patterns', () => {
  const pair = arbitraryTensor().chain((a) =>
    fc.array(fc.nat(Math.max(0, a.bytes.length - 1)), { maxLength: 4 }).map((flips): [Tensor, Tensor] => {
      const bytes = a.bytes.slice()
      for (const at of flips) if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ 0x81
      return [a, createTensor(a.dtype, a.shape, bytes)]
    }),
  )
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const [p, q] = [bitsHex(a), bitsHex(b)]
      const { equal, first, statistics } = compareTensors(a, b)
      const unequal = p.flatMap((bits, i) => (bits === q[i] ? [] : [i]))
      expect(equal).toBe(unequal.length === 0)
      expect(statistics.unequal).toBe(unequal.length)
      expect(first?.element).toBe(unequal[0])
      if (!isFloat(a.dtype)) return
      const { dtype } = a
      const buckets = p.map((bits, i) => {
        if (bits === q[i]) return '0'
        const distance = ulpDistance(dtype, BigInt(`0x${bits}`), BigInt(`0x${q[i]}`))
        return distance === null ? 'nan' : distance === 0n ? 'sign-of-zero' : ulpBucket(distance)
      })
      for (const { bucket, count } of statistics.histogram) {
        expect(buckets.filter((name) => name === bucket).length).toBe(count)
      }
      expect(statistics.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(buckets.length)
    }),
    { numRuns: 500 },
  )
})
