import { expect, test } from 'vitest'
import golden from '../../test/golden/golden.json' with { type: 'json' }
import { type PhiloxKey, type Words4, philox4x32, philoxFill } from './philox.ts'

const hex = (words: Iterable<number>) => Array.from(words, (word) => word.toString(16).padStart(8, '0'))
const ones = 0xffffffff

test('the known-answer vectors of Random123 (kat_vectors, philox4x32 10)', () => {
  const vectors: [Words4, PhiloxKey, string][] = [
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[ones, ones, ones, ones], [ones, ones], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ]
  vectors.forEach(([counter, key, words], i) => {
    expect(hex(philox4x32(counter, key)).join(' ')).toBe(words)
    expect(hex(philox4x32(counter, key))).toEqual(golden.philox[i])
  })
})

test('blocks are numbered by a little-endian counter that passes 2³²', () => {
  const out = new Uint32Array(12)
  philoxFill(out, [7, 9], 0xffffffff)
  const blocks: Words4[] = [
    [0xffffffff, 0, 0, 0],
    [0, 1, 0, 0],
    [1, 1, 0, 0],
  ]
  expect([...out]).toEqual(blocks.flatMap((counter) => philox4x32(counter, [7, 9])))
})
