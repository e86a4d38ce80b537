import fc from 'fast-check'
import { expect, test } from 'vitest'
import golden from '../test/golden/golden.json' with { type: 'json' }
import { floatValue } from './half.ts'
import { type FloatDType, dtypeBytes } from './tensor.ts'
import { isNanBits, orderOf, ulpBucket, ulpDistance } from './ulp.ts'

const floats: FloatDType[] = ['f16', 'bf16', 'f32', 'f64']

test('the golden distances', () => {
  for (const { dtype, bits, ulp } of golden.ulp) {
    const [a, b] = bits.map((hex) => BigInt(`0x${hex}`)) as [bigint, bigint]
    expect(ulpDistance(dtype as FloatDType, a, b)?.toString() ?? null, `${dtype} ${bits}`).toBe(ulp)
  }
})

test('±0 are 0 apart, ∞ is next after the largest finite, the least subnormals are 2 apart', () => {
  expect(ulpDistance('f32', 0, 0x80000000)).toBe(0n)
  expect(ulpDistance('f32', 0x7f7fffff, 0x7f800000)).toBe(1n)
  expect(ulpDistance('f32', 1, 0x80000001)).toBe(2n)
  expect(ulpDistance('f64', 0x7ff0000000000000n, 0xfff0000000000000n)).toBe(2n * 0x7ff0000000000000n)
  expect(ulpDistance('f32', 0x7f800001, 0x7f800001)).toBe(null)
})

test('every 16-bit pattern: the order is the order of the values, and neighbours are 1 apart', () => {
  for (const dtype of ['f16', 'bf16'] as const) {
    const patterns = Array.from({ length: 65536 }, (_, bits) => bits).filter((bits) => !isNanBits(dtype, bits))
    expect(patterns.every((bits) => !Number.isNaN(floatValue(dtype, bits)))).toBe(true)
    const sorted = patterns.sort((a, b) => floatValue(dtype, a) - floatValue(dtype, b))
    const values = new Set(sorted.map((bits) => Number(orderOf(dtype, bits))))
    expect(values.size).toBe(patterns.length - 1) // both zeros are one place
    expect(
      sorted.every((bits, i) => i === 0 || orderOf(dtype, bits) - orderOf(dtype, sorted[i - 1] as number) <= 1n),
    ).toBe(true)
  }
})

test('the distance is a metric that agrees with the order of values', () => {
  const pattern = (dtype: FloatDType) => fc.bigInt(0n, (1n << BigInt(8 * dtypeBytes[dtype])) - 1n)
  fc.assert(
    fc.property(
      fc
        .constantFrom(...floats)
        .chain((dtype) => fc.tuple(fc.constant(dtype), pattern(dtype), pattern(dtype), pattern(dtype))),
      ([dtype, a, b, c]) => {
        const [ab, ba, bc, ac] = [
          ulpDistance(dtype, a, b),
          ulpDistance(dtype, b, a),
          ulpDistance(dtype, b, c),
          ulpDistance(dtype, a, c),
        ]
        expect(ab).toBe(ba)
        if (ab === null || bc === null || ac === null) {
          expect([a, b, c].some((bits) => Number.isNaN(floatValue(dtype, bits)))).toBe(true)
          return
        }
        expect(ac <= ab + bc).toBe(true)
        const [x, y] = [floatValue(dtype, a), floatValue(dtype, b)]
        expect(orderOf(dtype, a) < orderOf(dtype, b)).toBe(x < y)
        expect(ab === 0n).toBe(x === y)
      },
    ),
  )
})

test('buckets end at powers of two', () => {
  const names = [0n, 1n, 2n, 3n, 4n, 5n, 8n, 9n, 16n, 17n, 2n ** 31n, 2n ** 31n + 1n, 2n ** 64n - 1n].map(ulpBucket)
  expect(names).toEqual([
    ...['0', '1', '2', '3-4', '3-4', '5-8', '5-8', '9-16', '9-16', '17-32'],
    ...['1073741825-2147483648', '2147483649-4294967296', '9223372036854775809-18446744073709551616'],
  ])
})
