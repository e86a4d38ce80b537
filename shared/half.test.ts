import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bfloat16Bits,
  bfloat16Value,
  decimalText,
  decodeFloats,
  encodeFloats,
  float16Bits,
  float16Value,
  floatValue,
} from './half.ts'
import { type FloatDType, asBits, bytesOf, createTensor, dtypeBytes } from './tensor.ts'
import { isNanBits } from './ulp.ts'

const halves = [
  ['f16', float16Bits, float16Value],
  ['bf16', bfloat16Bits, bfloat16Value],
] as const

test('known binary16 patterns', () => {
  const known: [number, number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ]
  for (const [bits, value] of known) {
    expect(float16Value(bits)).toBe(value)
    expect(float16Bits(value)).toBe(bits)
  }
  expect(float16Bits(NaN)).toBe(0x7e00)
  expect(bfloat16Bits(NaN)).toBe(0x7fc0)
})

test('every pattern but a NaN comes back from its value', () => {
  for (const [dtype, narrow, value] of halves) {
    const wrong = Array.from({ length: 65536 }, (_, bits) => bits).filter(
      (bits) => !isNanBits(dtype, bits) && narrow(value(bits)) !== bits,
    )
    expect(wrong).toEqual([])
  }
})

test('between neighbours the nearer wins, and a tie goes to the even pattern', () => {
  for (const [dtype, narrow, value] of halves) {
    for (let bits = 0; !isNanBits(dtype, bits + 1); bits++) {
      // Past the largest finite value, the next step of the same size is where infinity would stand (IEEE 754 §4.3.1).
      const [low, high] = [
        value(bits),
        Number.isFinite(value(bits + 1)) ? value(bits + 1) : 2 * value(bits) - value(bits - 1),
      ]
      const middle = low + (high - low) / 2
      const even = bits % 2 === 0 ? bits : bits + 1
      const tiny = (high - low) * 2 ** -40
      const seen = [middle - tiny, middle, middle + tiny, -middle].map(narrow)
      if (seen.join() !== [bits, even, bits + 1, even | 0x8000].join()) {
        expect({ bits, seen }).toEqual({ bits, seen: [bits, even, bits + 1, even | 0x8000] })
      }
    }
  }
})

test('no double rounding by way of binary32', () => {
  // 1 + 2⁻¹¹ + 2⁻⁴⁰ lies above the tie; rounded to binary32 first it would be the tie, and go down to 1.
  const value = 1 + 2 ** -11 + 2 ** -40
  expect(float16Bits(Math.fround(value))).toBe(0x3c00)
  expect(float16Bits(value)).toBe(0x3c01)
  expect(bfloat16Bits(1 + 2 ** -8 + 2 ** -40)).toBe(0x3f81)
  expect(float16Bits(65520)).toBe(0x7c00)
  expect(float16Bits(65519.99999)).toBe(0x7bff)
  expect(float16Bits(2 ** -25)).toBe(0)
  expect(float16Bits(2 ** -25 + 2 ** -60)).toBe(1)
  expect(float16Bits(-5e-324)).toBe(0x8000)
  expect(float16Bits(1e308)).toBe(0x7c00)
})

test('tensors decode and encode', () => {
  for (const dtype of ['f16', 'bf16', 'f32', 'f64'] as const) {
    const values = [0, -0, 1, -1.5, 2 ** -14, Infinity, -Infinity]
    const bytes = encodeFloats(dtype, values)
    expect(bytes.length).toBe(values.length * dtypeBytes[dtype])
    expect([...decodeFloats(createTensor(dtype, [values.length], bytes))]).toEqual(values)
  }
})

test('a decimal text reads back to its element', () => {
  const dtypes: FloatDType[] = ['f16', 'bf16', 'f32', 'f64']
  const pattern = (dtype: FloatDType) => fc.bigInt(0n, (1n << BigInt(8 * dtypeBytes[dtype])) - 1n)
  fc.assert(
    fc.property(
      fc.constantFrom(...dtypes).chain((dtype) => fc.tuple(fc.constant(dtype), pattern(dtype))),
      ([dtype, bits]) => {
        const text = decimalText(dtype, bits)
        if (isNanBits(dtype, bits)) {
          expect(text).toBe('NaN')
          return
        }
        const read = asBits(createTensor(dtype, [], encodeFloats(dtype, [Number(text)])))
        expect(BigInt(read[0] as number | bigint)).toBe(bits)
      },
    ),
    { numRuns: 2000 },
  )
})

test('it is the shortest text', () => {
  expect(decimalText('f32', 0x3dcccccd)).toBe('0.1')
  expect(decimalText('f32', 0x00000001)).toBe('1e-45')
  expect(decimalText('f32', 0x7f7fffff)).toBe('3.4028235e+38')
  expect(decimalText('f32', 0x80000000)).toBe('-0')
  expect(decimalText('f16', 0x3555)).toBe('0.3333')
  expect(decimalText('bf16', 0x3dcd)).toBe('0.1')
  expect(decimalText('f64', 0x3fb999999999999an)).toBe('0.1')
  expect(decimalText('f32', 0x7fa00000)).toBe('NaN')
  expect(decimalText('f16', 0xfc00)).toBe('-Infinity')
  expect(decimalText('i64', 0x0020000000000001n)).toBe('9007199254740993')
  expect(decimalText('i8', 0xff)).toBe('-1')
  expect(decimalText('u8', 0xff)).toBe('255')
  expect(floatValue('f64', 0x4340000000000001n)).toBe(2 ** 53 + 2)
  expect(bytesOf(new Uint16Array([1]))).toEqual(new Uint8Array([1, 0]))
})
