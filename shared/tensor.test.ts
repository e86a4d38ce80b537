import fc from 'fast-check'
import { expect, test } from 'vitest'
import golden from '../test/golden/golden.json' with { type: 'json' }
import { arbitraryTensor, hostileBits, hostileTensors } from '../test/hostile-bits.ts'
import { digestOf } from './digest.ts'
import {
  asBits,
  asFloat32,
  asFloat64,
  bitsHex,
  bytesOf,
  createTensor,
  dtypes,
  elementCount,
  tensorFromBits,
} from './tensor.ts'

test('the golden tensor of the formats', () => {
  const tensor = tensorFromBits('f32', [4], ['3f800000', '80000000', '7f800000', '00000001'])
  expect(digestOf(tensor.bytes)).toBe('sha256:db9d39ec5e605d71d3c01e8e6ae4db1569c2258ad842294bf5efd93ebe84975a')
  expect(digestOf(tensor.bytes)).toBe(golden.tensor.digest)
  expect([...asFloat32(tensor)]).toEqual([1, -0, Infinity, 2 ** -149])
})

test('bit patterns come back as they went in', () => {
  for (const dtype of dtypes) {
    const bits = hostileBits[dtype]
    expect(bitsHex(tensorFromBits(dtype, [bits.length], bits))).toEqual(bits)
  }
  for (const tensor of hostileTensors()) {
    const again = tensorFromBits(tensor.dtype, tensor.shape, bitsHex(tensor))
    expect(digestOf(again.bytes)).toBe(digestOf(tensor.bytes))
  }
})

test('any tensor survives its bit patterns', () => {
  fc.assert(
    fc.property(arbitraryTensor(), (tensor) => {
      const again = tensorFromBits(tensor.dtype, tensor.shape, bitsHex(tensor))
      expect(digestOf(again.bytes)).toBe(digestOf(tensor.bytes))
      expect(again.shape).toEqual(tensor.shape)
    }),
  )
})

test('a scalar has one element, a shape with a zero none', () => {
  expect(elementCount([])).toBe(1)
  expect(elementCount([3, 0])).toBe(0)
  expect(createTensor('f64', [], new Uint8Array(8)).shape).toEqual([])
})

test('bytes that do not fit dtype and shape are refused', () => {
  expect(() => createTensor('f32', [2], new Uint8Array(7))).toThrow('needs 8 bytes, 7 were given')
  expect(() => createTensor('f32', [-1, -2], new Uint8Array(8))).toThrow('not a whole number')
  expect(() => createTensor('u8', [0.5, 2], new Uint8Array(1))).toThrow('not a whole number')
  expect(() => tensorFromBits('f16', [1], ['3c0'])).toThrow('not the bit pattern of one f16')
  expect(() => tensorFromBits('f16', [1], ['3C00'])).toThrow('not the bit pattern of one f16')
})

test('the shape is the tensor’s own', () => {
  const shape = [2]
  const tensor = createTensor('u8', shape, new Uint8Array(2))
  shape[0] = 9
  expect(tensor.shape).toEqual([2])
})

test('views of unaligned bytes read the same elements', () => {
  const values = Float64Array.of(1.5, -0, 2 ** 60)
  const buffer = new Uint8Array(25)
  buffer.set(bytesOf(values), 1)
  const tensor = createTensor('f64', [3], buffer.subarray(1))
  expect([...asFloat64(tensor)]).toEqual([1.5, -0, 2 ** 60])
  expect([...(asBits(tensor) as BigUint64Array)]).toEqual([0x3ff8n << 48n, 1n << 63n, 0x43b0n << 48n])
  expect(() => asFloat32(tensor)).toThrow('asFloat32 was given f64')
})
