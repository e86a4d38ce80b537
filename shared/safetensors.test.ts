import fc from 'fast-check'
import { expect, test } from 'vitest'
import golden from '../test/golden/golden.json' with { type: 'json' }
import { arbitraryTensor, hostileTensors } from '../test/hostile-bits.ts'
import { digestOf, sha256Hex } from './digest.ts'
import { formatSafetensors, parseSafetensors } from './safetensors.ts'
import { type Tensor, tensorFromBits } from './tensor.ts'

function file(header: unknown, payload = new Uint8Array(0)): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, payload])
}
const one = (overrides: object = {}) => ({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...overrides } })
const eight = new Uint8Array(8)

const throughFile = (tensors: Named[]): Named[] => [...parseSafetensors(formatSafetensors(tensors))]
/** All that a tensor is, by name, in no order. */
const described = (tensors: Named[]) =>
  Object.fromEntries(
    tensors.map(([name, { dtype, shape, bytes }]) => [`name ${name}`, { dtype, shape, digest: digestOf(bytes) }]),
  )
type Named = [string, Tensor]

test('the file is the one that the independent program writes', () => {
  const tensors: [string, Tensor][] = [
    ['half', tensorFromBits('f16', [2], ['0000', '4060'])],
    ['α', tensorFromBits('f32', [4], golden.tensor.bits)],
  ]
  expect(sha256Hex(formatSafetensors(tensors))).toBe(golden.files.safetensors)
})

test('the hostile corpus and any tensors survive', () => {
  const hostile = hostileTensors().map((tensor, i): Named => [`t${i}`, tensor])
  expect(described(throughFile(hostile))).toEqual(described(hostile))
  const named = fc.tuple(fc.string({ unit: 'grapheme' }), arbitraryTensor())
  fc.assert(
    fc.property(fc.uniqueArray(named, { maxLength: 6, selector: ([name]) => name }), (tensors) => {
      fc.pre(tensors.every(([name]) => name !== '__metadata__'))
      expect(described(throughFile(tensors))).toEqual(described(tensors))
    }),
  )
  expect(throughFile([['__proto__', tensorFromBits('u8', [1], ['07'])]]).map(([name]) => name)).toEqual(['__proto__'])
})

test('the bytes do not depend on the order of tensors or metadata, and the payload is aligned', () => {
  const tensors = hostileTensors().map((tensor, i): [string, Tensor] => [`t${i}`, tensor])
  const bytes = formatSafetensors(tensors, { a: '1', b: '2' })
  expect(formatSafetensors(tensors.toReversed(), { b: '2', a: '1' })).toEqual(bytes)
  expect(Buffer.from(bytes).readBigUInt64LE() % 8n).toBe(0n)
  expect(() => formatSafetensors([...tensors, tensors[0] as [string, Tensor]])).toThrow('two tensors are named "t0"')
})

test('files that lie are refused with the reason', () => {
  const twice = (a: string, b: string) => `{"${a}":${JSON.stringify(one().a)},"${b}":${JSON.stringify(one().a)}}`
  const wrong: [string, Uint8Array][] = [
    ['length field', eight.subarray(1)],
    ['over the bound', Buffer.from('ffffffffffffffff', 'hex')],
    ['inside its header', Buffer.from('1000000000000000', 'hex')],
    ['not JSON', file('{"a":')],
    ['not JSON', Buffer.from('0400000000000000227fff22', 'hex')],
    ['not an object', file('[]')],
    ['not described', file({ a: 1 })],
    ['known: ', file(one({ dtype: 'F8_E4M3' }), eight)],
    ['that is no text', file(one({ dtype: { toString: 5 } }), eight)],
    ['proper shape', file(one({ shape: [-2] }), eight)],
    ['proper shape', file(one({ shape: '2' }), eight)],
    ['proper data_offsets', file(one({ data_offsets: [0] }), eight)],
    ['does not take', file(one({ shape: [3] }), eight)],
    ['does not take', file(one({ shape: [4294967296, 4294967296] }), eight)],
    ['ends at byte 8 of 7', file(one(), eight.subarray(1))],
    ['belong to no tensor', file(one(), new Uint8Array(9))],
    ['begins at byte 1', file(one({ data_offsets: [1, 9] }), new Uint8Array(9))],
    ['neither overlap', file({ ...one(), b: one().a }, eight)],
    ['begins at byte 8', file(one({ data_offsets: [8, 0] }), eight)],
    ['the name "a" twice', file(twice('a', 'a'), eight)],
    ['the name "a" twice', file(twice('a', '\\u0061'), eight)],
    ['the name "__metadata__" twice', file('{"__metadata__":{},"__metadata__":{"a":"b"}}')],
    ['the name "dtype" twice', file(JSON.stringify(one()).replace('{"dtype"', '{"dtype":"U8","dtype"'), eight)],
  ]
  for (const [reason, bytes] of wrong) expect(() => parseSafetensors(bytes), reason).toThrow(reason)
})

test('an empty file of tensors is one', () => {
  expect(parseSafetensors(formatSafetensors([])).size).toBe(0)
  expect(parseSafetensors(file({ __metadata__: { format: 'pt' } })).size).toBe(0)
})
