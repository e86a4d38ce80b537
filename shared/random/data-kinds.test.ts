import { expect, test } from 'vitest'
import golden from '../../test/golden/golden.json' with { type: 'json' }
import { decodeFloats } from '../half.ts'
import { type FloatDType, bitsHex } from '../tensor.ts'
import { dataKinds, drawTensor } from './data-kinds.ts'
import { createStream } from './stream.ts'

const floats: FloatDType[] = ['f64', 'f32', 'f16', 'bf16']

test('the golden values of every kind and dtype', () => {
  for (const kind of dataKinds) {
    for (const dtype of floats) {
      const drawn = drawTensor(kind, dtype, [3, 3], createStream('42', 'input'))
      expect(bitsHex(drawn), `${kind} ${dtype}`).toEqual(golden.data[kind][dtype])
    }
  }
})

test('the golden normals of the formats', () => {
  const drawn = drawTensor('normal', 'f32', [3], createStream('42', 'input'))
  expect(bitsHex(drawn)).toEqual(['3ec957fe', 'bed74108', 'bfdf812b'])
})

test('two tensors drawn in turn are one drawn at once, where elements stand alone', () => {
  for (const kind of ['uniform', 'centred', 'normal', 'wide'] as const) {
    const stream = createStream('5', 'rows')
    const rows = [2, 3].flatMap((n) => bitsHex(drawTensor(kind, 'f64', [n], stream)))
    expect(rows).toEqual(bitsHex(drawTensor(kind, 'f64', [5], createStream('5', 'rows'))))
  }
})

test('values lie where they should', () => {
  const draw = (kind: (typeof dataKinds)[number], dtype: FloatDType) =>
    decodeFloats(drawTensor(kind, dtype, [4096], createStream('9', 'range')))
  for (const dtype of floats) {
    expect(draw('uniform', dtype).every((x) => x >= 0 && x < 1)).toBe(true)
    expect(draw('centred', dtype).every((x) => x >= -1 && x < 1)).toBe(true)
    const reach = dtype === 'f16' ? 14 : 20
    for (const kind of ['wide', 'cancelling'] as const) {
      const values = draw(kind, dtype)
      expect(values.every((x) => Math.abs(x) >= 2 ** -reach && Math.abs(x) < 2 ** (reach + 1))).toBe(true)
      expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(2 ** reach)
    }
  }
})

test('cancelling values cancel: the sum is far smaller than its terms', () => {
  const values = decodeFloats(drawTensor('cancelling', 'f64', [1000], createStream('9', 'cancel')))
  const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const sorted = [...values].sort((a, b) => Math.abs(a) - Math.abs(b))
  const sum = sorted.reduce((total, x) => total + x, 0)
  expect(Math.abs(sum)).toBeLessThan(largest * 2 ** -25)
  expect(Math.abs(sum)).toBeGreaterThan(0)
})

test('a dtype that is not floating point is refused; nothing draws nothing', () => {
  expect(() => drawTensor('wide', 'i32', [1], createStream('1', 'x'))).toThrow('has no dtype i32')
  const stream = createStream('1', 'x')
  for (const kind of dataKinds) expect(drawTensor(kind, 'f32', [0, 4], stream).bytes.length).toBe(0)
  expect(stream.u32()).toBe(createStream('1', 'x').u32())
})
