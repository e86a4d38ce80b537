import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arbitraryBits, hostileBits, unaligned } from '../../../test/hostile-bits.ts'
import { createStream } from '../../../shared/random/stream.ts'
import { type FloatDType, bytesOf, createTensor, dtypeBytes, tensorFromBits } from '../../../shared/tensor.ts'
import { tallyPlain } from './plain.ts'
import { createSimdTally } from './simd.ts'
import { type Tally, blockElements } from './tally.ts'

const floats: FloatDType[] = ['f64', 'f32', 'f16', 'bf16']
const simd = createSimdTally()
if (simd === undefined) throw new Error('this processor cannot run the fast kernel')
const tallySimd = simd

/** Both tallies, as text, whose comparison is quick enough for thousands of pairs. */
function both(dtype: FloatDType, a: Uint8Array, b: Uint8Array): { fast: string; plain: string } {
  return { fast: line(tallySimd(dtype, a, b)), plain: line(tallyPlain(dtype, a, b)) }
}

function line({ unequal, kinds, ranks, maxUlp, squares, squaredDifferences, equalSums }: Tally): string {
  const counts = Object.entries(kinds).map(([kind, count]) => `${kind}=${count}`)
  return [unequal, ...counts, ...ranks, maxUlp, squares, squaredDifferences, equalSums].join(' ')
}

test('fast and plain agree on every pair of hostile patterns', () => {
  for (const dtype of floats) {
    const bits = hostileBits[dtype]
    const pairs = bits.flatMap((p) => bits.map((q) => [p, q] as const))
    const [a, b] = [0, 1].map((side) =>
      tensorFromBits(
        dtype,
        [pairs.length],
        pairs.map((pair) => pair[side] as string),
      ),
    )
    if (a === undefined || b === undefined) throw new Error('two sides')
    const { fast, plain } = both(dtype, a.bytes, b.bytes)
    expect(fast).toBe(plain)
    const apart = pairs.filter(([p, q]) => {
      const one = both(dtype, tensorFromBits(dtype, [], [p]).bytes, tensorFromBits(dtype, [], [q]).bytes)
      return one.fast !== one.plain
    })
    expect(apart).toEqual([])
  }
})

test('fast and plain agree on any patterns, lengths and alignments', () => {
  const pairs = fc.constantFrom(...floats).chain((dtype) => {
    const bits = arbitraryBits(dtype)
    const pair = fc.oneof(
      fc.tuple(bits, bits),
      bits.map((pattern): [string, string] => [pattern, pattern]),
    )
    return fc.tuple(fc.constant(dtype), fc.array(pair, { maxLength: 40 }))
  })
  fc.assert(
    fc.property(pairs, ([dtype, list]) => {
      const a = tensorFromBits(
        dtype,
        [list.length],
        list.map(([p]) => p),
      )
      const b = tensorFromBits(
        dtype,
        [list.length],
        list.map(([, q]) => q),
      )
      for (const { fast, plain } of [
        both(dtype, a.bytes, b.bytes),
        both(dtype, unaligned(a).bytes, unaligned(b).bytes),
      ]) {
        expect(fast).toBe(plain)
      }
    }),
    { numRuns: 400 },
  )
})

test('fast and plain agree over several blocks, and a call leaves nothing to the next', () => {
  const words = bytesOf(createStream('1', 'tally').fillU32(blockElements * 5))
  for (const dtype of floats) {
    const length = (blockElements * 2 + 13) * dtypeBytes[dtype]
    const a = words.subarray(0, length)
    const near = a.slice()
    for (let at = 0; at < length; at += 97 * dtypeBytes[dtype]) near[at] = (near[at] as number) ^ 3
    const far = words.subarray(words.length - length)
    for (const b of [far, near, a]) {
      const { fast, plain } = both(dtype, a, b)
      expect(fast).toBe(plain)
    }
    expect(tallySimd(dtype, a, a).unequal).toBe(0)
    expect(createTensor(dtype, [length / dtypeBytes[dtype]], near).bytes).not.toEqual(a)
  }
})

test('many threads give the bits of one', () => {
  const threaded = createSimdTally(0)
  const words = bytesOf(createStream('2', 'threads').fillU32(blockElements * 80))
  for (const dtype of ['f64', 'f32'] as const) {
    const [a, b] = [words.subarray(0, words.length / 2), words.subarray(words.length / 2)]
    for (let repetition = 0; repetition < 20; repetition++) {
      expect(line(threaded?.(dtype, a, b) as Tally)).toBe(line(tallySimd(dtype, a, b)))
    }
  }
})
