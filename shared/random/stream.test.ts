import fc from 'fast-check'
import { expect, test } from 'vitest'
import golden from '../../test/golden/golden.json' with { type: 'json' }
import { digestOf } from '../digest.ts'
import { bitsHex, bytesOf, createTensor } from '../tensor.ts'
import { createStream, streamKey } from './stream.ts'

const hex = (words: Iterable<number>) => Array.from(words, (word) => word.toString(16).padStart(8, '0'))

test('the golden words of the formats', () => {
  const weights = hex(createStream('42', 'weights').fillU32(5))
  expect(weights.join(' ')).toBe('a59cdb43 0149beb7 1262648c 0047f92a e2baf1c7')
  expect(weights).toEqual(golden.streams.weights)
  const shuffle = createStream('42', 'shuffle')
  expect(hex([shuffle.u32(), shuffle.u32()])).toEqual(['904f1e43', 'c1ffaf1a'])
  expect(hex(createStream('0', '').fillU32(4))).toEqual(golden.streams.emptySeedZero)
})

test('the golden uniforms of the formats', () => {
  const f32 = createStream('42', 'input').uniform32(3)
  expect(bitsHex(createTensor('f32', [3], bytesOf(f32)))).toEqual(['3e7a2134', '3f395bc6', '3e91902a'])
  const f64 = createStream('42', 'input').uniform64(2)
  expect(bitsHex(createTensor('f64', [2], bytesOf(f64)))).toEqual(['3fcf4426eb95bc64', '3fd2320567e1c022'])
})

test('the golden digest of 2²⁰ uniforms', () => {
  const digest = digestOf(bytesOf(createStream('42', 'input').uniform32(1 << 20)))
  expect(digest).toBe('sha256:9d9af75b3fcb643ccfb42dcee9f4f8890754b4abf07c071baf843cc6abac5d31')
  expect(digest).toBe(golden.uniformDigest)
})

test('the golden permutation of the formats', () => {
  expect([...createStream('42', 'shuffle').permutation(10)]).toEqual([8, 2, 1, 9, 6, 3, 0, 7, 4, 5])
})

test('words come in one order however they are asked for', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1500), { maxLength: 6 }), (pieces) => {
      const total = pieces.reduce((sum, n) => sum + n, 0)
      const stream = createStream('7', 'pieces')
      const words = pieces.flatMap((n) =>
        n % 3 === 0 ? Array.from({ length: n }, () => stream.u32()) : [...stream.fillU32(n)],
      )
      expect(words).toEqual([...createStream('7', 'pieces').fillU32(total)])
    }),
    { numRuns: 30 },
  )
})

test('below is bounded and passes over the words that would favour small numbers', () => {
  const n = 0xc0000001 // about a quarter of all words are passed over
  const words = createStream('3', 'below').fillU32(200)
  const kept = [...words].filter((word) => word < n)
  const stream = createStream('3', 'below')
  expect(kept.map(() => stream.below(n))).toEqual(kept)
  expect(kept.length).toBeLessThan(words.length)
  expect(createStream('3', 'below').below(2 ** 32)).toBe(words[0])
  expect(createStream('3', 'below').below(1)).toBe(0)
  for (const wrong of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => stream.below(wrong)).toThrow('below(')
})

test('a permutation holds every index once', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.string(), (n, name) => {
      fc.pre(!name.includes('\0') && name.isWellFormed())
      expect([...createStream('1', name).permutation(n)].sort((a, b) => a - b)).toEqual(
        Array.from({ length: n }, (_, i) => i),
      )
    }),
  )
})

test('seed and name cannot run into each other, and both matter', () => {
  const keys = [streamKey('4', '2a'), streamKey('42', 'a'), streamKey('42', 'b'), streamKey('43', 'a')].map(String)
  expect(new Set(keys).size).toBe(4)
  for (const seed of ['', '042', '-1', '1.5', '1e3', '٣']) expect(() => createStream(seed, 'x')).toThrow('whole number')
  expect(() => createStream('1', 'a\0b')).toThrow('NUL')
  expect(createStream('340282366920938463463374607431768211456', 'x').u32()).toBeTypeOf('number')
})
