import fc from 'fast-check'
import { expect, test } from 'vitest'
import golden from '../test/golden/golden.json' with { type: 'json' }
import { arbitraryTensor, hostileTensors } from '../test/hostile-bits.ts'
import { digestOf, sha256Hex } from './digest.ts'
import { formatNpy, npyFileName, parseNpy, parseNpyHeader } from './npy.ts'
import { type Tensor, bitsHex, bytesOf, tensorFromBits } from './tensor.ts'

/** A file with any header text, whole or broken. */
function npy(header: string, payload: Uint8Array, version: 1 | 2 | 3 = 1): Uint8Array {
  const text = Buffer.from(`${header}\n`, version === 3 ? 'utf8' : 'latin1')
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  if (version === 1) length.writeUInt16LE(text.length)
  else length.writeUInt32LE(text.length)
  return Buffer.concat([Buffer.from(`\x93NUMPY${String.fromCharCode(version)}\0`, 'latin1'), length, text, payload])
}
const f4 = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
const eight = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

/** All that a tensor is. */
const described = ({ dtype, shape, bytes }: Tensor) => ({ dtype, shape, digest: digestOf(bytes) })

test('files are those that the independent program writes', () => {
  const bits = golden.tensor.bits
  expect(sha256Hex(formatNpy(tensorFromBits('f32', [4], bits)))).toBe(golden.files.npy)
  expect(sha256Hex(formatNpy(tensorFromBits('f32', [2, 2], bits)))).toBe(golden.files.npyMatrix)
  expect(sha256Hex(formatNpy(tensorFromBits('f32', [], ['40600000'])))).toBe(golden.files.npyScalar)
})

test('the hostile corpus and any tensor survive', () => {
  const throughFile = (tensor: Tensor) => parseNpy(formatNpy(tensor), npyFileName('x', tensor.dtype))
  for (const tensor of hostileTensors()) expect(described(throughFile(tensor))).toEqual(described(tensor))
  fc.assert(
    fc.property(arbitraryTensor(), (tensor) => {
      expect(described(throughFile(tensor))).toEqual(described(tensor))
    }),
  )
})

test('a header is aligned to 64 bytes, whatever the shape', () => {
  for (let dimensions = 1; dimensions <= 64; dimensions++) {
    const shape = Array.from({ length: dimensions }, (_, axis) => (axis === 0 ? 0 : 10 ** (axis % 7)))
    const file = formatNpy({ dtype: 'u8', shape, bytes: new Uint8Array(0) })
    expect(file.length % 64).toBe(0)
    expect(parseNpy(file).shape).toEqual(shape)
  }
})

test('bf16 goes as u16 and comes back by its name', () => {
  const tensor = tensorFromBits('bf16', [2], ['7f81', '8000'])
  expect(npyFileName('weights', 'bf16')).toBe('weights.bf16.npy')
  expect(npyFileName('weights', 'f32')).toBe('weights.npy')
  expect(parseNpy(formatNpy(tensor)).dtype).toBe('u16')
  expect(described(parseNpy(formatNpy(tensor), 'weights.bf16.npy'))).toEqual(described(tensor))
  expect(() => parseNpy(npy(f4, eight), 'a.bf16.npy')).toThrow('its name says bf16')
})

test('versions 1.0, 2.0 and 3.0, spacing, quotes, key order and Python 2’s long integers are read', () => {
  const payload = bytesOf(Float32Array.of(1, 2))
  for (const version of [1, 2, 3] as const) expect(parseNpy(npy(f4, payload, version)).shape).toEqual([2])
  for (const header of [
    '{"descr":"<f4","fortran_order":False,"shape":(2,)}',
    "{'shape': (2L,), 'fortran_order': False, 'descr': '<f4'}      ",
    "{ 'shape' : ( 1 , 2 ) , 'descr' : '<f4' , 'fortran_order' : False , }",
  ]) {
    expect(bitsHex(parseNpy(npy(header, payload)))).toEqual(['3f800000', '40000000'])
  }
})

test('big-endian payloads are brought to little-endian by moving bytes: a signalling NaN stays one', () => {
  const read = (descr: string) =>
    bitsHex(
      parseNpy(
        npy(`{'descr': '${descr}', 'fortran_order': False, 'shape': (1,), }`, eight.subarray(0, Number(descr[2]))),
      ),
    )
  expect(read('>f4')).toEqual(['01020304'])
  expect(read('>f8')).toEqual(['0102030405060708'])
  expect(read('>u2')).toEqual(['0102'])
  const nan = Uint8Array.of(0x7f, 0xa0, 0, 1)
  expect(bitsHex(parseNpy(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (), }", nan)))).toEqual(['7fa00001'])
})

test('Fortran order is brought to C order', () => {
  const shape = [2, 3, 4]
  const fortran = new Uint16Array(24)
  for (let i = 0; i < 2; i++) {
    for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) fortran[i + 2 * (j + 3 * k)] = (i * 3 + j) * 4 + k
  }
  const header = `{'descr': '<u2', 'fortran_order': True, 'shape': (${shape}), }`
  const tensor = parseNpy(npy(header, bytesOf(fortran)))
  expect(new Uint16Array(tensor.bytes.buffer)).toEqual(Uint16Array.from({ length: 24 }, (_, i) => i))
  expect(tensor.shape).toEqual(shape)
  const big = parseNpy(npy(header.replace('<', '>'), Buffer.from(bytesOf(fortran)).swap16()))
  expect(bitsHex(big)).toEqual(bitsHex(tensor))
})

test('what is no plain array is refused with the reason', () => {
  const wrong: [string, Uint8Array][] = [
    ['begin with', new Uint8Array(0)],
    ['begin with', Buffer.from('PK\x03\x04 not an array at all')],
    ['version 4.0', npy(f4, eight).map((byte, i) => (i === 6 ? 4 : byte))],
    ['inside its header', npy(f4, eight).subarray(0, 20)],
    ['inside its header', npy(f4, eight, 2).subarray(0, 11)],
    ['over the bound', Buffer.concat([Buffer.from('\x93NUMPY\x02\0\xff\xff\xff\xff', 'latin1'), eight])],
    ['takes 8 bytes, the file has 7', npy(f4, eight.subarray(1))],
    ['takes 8 bytes, the file has 16', npy(f4, Buffer.concat([eight, eight]))],
    ["type '|O'", npy(f4.replace('<f4', '|O'), eight)],
    ["type '<c8'", npy(f4.replace('<f4', '<c8'), eight)],
    ["type '=f4'", npy(f4.replace('<f4', '=f4'), eight)],
    ["type '|f4'", npy(f4.replace('<f4', '|f4'), eight)],
    ["type '<U2'", npy(f4.replace('<f4', '<U2'), eight)],
    ['structured', npy(f4.replace("'<f4'", "[('a', '<f4')]"), eight)],
    ['structured', npy(f4.replace("'<f4'", '__import__("os").system("id")'), eight)],
    ['exactly', npy(f4.replace('(2,)', '(2)'), eight)],
    ['exactly', npy(f4.replace('(2,)', '(-2,)'), eight)],
    ['exactly', npy(f4.replace('(2,)', '(2.0,)'), eight)],
    ['exactly', npy(f4.replace("'shape'", "'form'"), eight)],
    ['structured', npy(f4.replace("'shape'", "'descr'"), eight)],
    ['not a dictionary', npy('[1, 2]', eight)],
    ['beyond any memory', npy(f4.replace('(2,)', '(4294967296, 4294967296)'), eight)],
    ['beyond any memory', npy(f4.replace('(2,)', '(99999999999999999999,)'), eight)],
    ['dimensions', npy(f4.replace('(2,)', `(${'1, '.repeat(65)})`), eight)],
  ]
  for (const [reason, bytes] of wrong) expect(() => parseNpy(bytes), reason).toThrow(reason)
})

test('no bytes make it do anything but read or refuse', () => {
  const valid = npy(f4, eight)
  fc.assert(
    fc.property(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length), (at, value, end) => {
      const bytes = valid.slice(0, end)
      if (at < end) bytes[at] = value
      try {
        const { dtype } = parseNpy(bytes)
        expect(dtype).toBeTypeOf('string')
      } catch (error) {
        expect(error).toMatchObject({ name: 'BitfleetError', code: 'format' })
      }
    }),
    { numRuns: 1000 },
  )
})

test('a header of gaps takes no time to refuse', () => {
  const gap = ' '.repeat(65_000)
  const began = performance.now()
  for (const header of [
    `{${gap}x`,
    `{}${gap}x`,
    `{${gap}}`,
    f4.replace('(2,)', `(${gap}x)`),
    f4.replace('2,', `2${gap}`),
  ]) {
    expect(() => parseNpy(npy(header, eight))).toThrow(/header/)
  }
  // Looked at again from every place, one of them takes seconds.
  expect(performance.now() - began).toBeLessThan(1000)
  expect(parseNpy(npy(f4 + gap.slice(0, 60_000), eight)).shape).toEqual([2])
})

test('a header is read from the first bytes alone', () => {
  const file = npy(f4, eight)
  expect(parseNpyHeader(file.subarray(0, file.length - 8))).toEqual({
    dtype: 'f32',
    shape: [2],
    dataOffset: file.length - 8,
    payloadBytes: 8,
    bigEndian: false,
    fortranOrder: false,
  })
})
