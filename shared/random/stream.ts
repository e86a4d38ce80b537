import { createHash } from 'node:crypto'
import { BitfleetError } from '../errors.ts'
import { type PhiloxKey, philoxFill } from './philox.ts'

/**
 * A named source of randomness: the same seed and name give the same words on every machine, and no stream moves
 * another. Every method takes the next words in order, so what a stream gave depends only on what was asked before.
 */
export interface Stream {
  /** The next word, 0 to 2³² − 1. */
  u32(): number
  /** The next n words. */
  fillU32(n: number): Uint32Array
  /** n values in [0, 1), multiples of 2⁻²⁴: (w >>> 8)·2⁻²⁴, a word each. */
  uniform32(n: number): Float32Array
  /** n values in [0, 1), multiples of 2⁻⁵³: ((hi >>> 5)·2²⁶ + (lo >>> 6))·2⁻⁵³, two words each, hi first. */
  uniform64(n: number): Float64Array
  /** A whole number in [0, n), 1 ≤ n ≤ 2³², every one equally likely: a word w ≥ 2³² − (2³² mod n) is passed over. */
  below(n: number): number
  /** A permutation of 0 … n − 1: Fisher–Yates from the last index down, its partner `below(i + 1)`. */
  permutation(n: number): Uint32Array
}

const bufferWords = 1024
const two32 = 0x1_0000_0000

/** Key: the first 8 bytes of SHA-256("bitfleet/philox@1" ‖ 0 ‖ seed ‖ 0 ‖ name) as two little-endian words. */
export function streamKey(seed: string, name: string): PhiloxKey {
  const hash = createHash('sha256').update(`bitfleet/philox@1\0${seed}\0${name}`, 'utf8').digest()
  return [hash.readUInt32LE(0), hash.readUInt32LE(4)]
}

/**
 * @param seed decimal, without sign or leading zeros
 * @param name such as `weights`; no NUL
 * @throws `usage` if the seed is not such a number, or the name holds a NUL
 */
export function createStream(seed: string, name: string): Stream {
  if (!/^(0|[1-9][0-9]*)$/.test(seed)) {
    throw new BitfleetError('usage', `seed "${seed}" is not a whole number in decimal; write one such as 42`)
  }
  if (name.includes('\0') || !name.isWellFormed()) {
    throw new BitfleetError('usage', 'a stream name must be well-formed text without NUL')
  }
  const key = streamKey(seed, name)
  const buffer = new Uint32Array(bufferWords)
  let nextBlock = 0
  let used = bufferWords

  const refill = () => {
    philoxFill(buffer, key, nextBlock)
    nextBlock += bufferWords / 4
    used = 0
  }
  const u32 = () => {
    if (used === bufferWords) refill()
    return buffer[used++] as number
  }
  const fillU32 = (n: number) => {
    const words = new Uint32Array(n)
    for (let at = 0; at < n; ) {
      if (used === bufferWords) refill()
      const take = Math.min(n - at, bufferWords - used)
      words.set(buffer.subarray(used, used + take), at)
      used += take
      at += take
    }
    return words
  }
  const below = (n: number) => {
    if (!Number.isSafeInteger(n) || n < 1 || n > two32) {
      throw new BitfleetError('internal', `below(${n}): the bound must be a whole number from 1 to 2^32`)
    }
    const limit = two32 - (two32 % n)
    let word = u32()
    while (word >= limit) word = u32()
    return word % n
  }

  return {
    u32,
    fillU32,
    below,
    uniform32(n) {
      const values = new Float32Array(n)
      const words = fillU32(n)
      for (let i = 0; i < n; i++) values[i] = ((words[i] as number) >>> 8) * 2 ** -24
      return values
    },
    uniform64(n) {
      const values = new Float64Array(n)
      const words = fillU32(2 * n)
      for (let i = 0; i < n; i++) {
        const high = (words[2 * i] as number) >>> 5
        const low = (words[2 * i + 1] as number) >>> 6
        values[i] = (high * 2 ** 26 + low) * 2 ** -53
      }
      return values
    },
    permutation(n) {
      const order = Uint32Array.from({ length: n }, (_, i) => i)
      for (let i = n - 1; i > 0; i--) {
        const j = below(i + 1)
        const swapped = order[i] as number
        order[i] = order[j] as number
        order[j] = swapped
      }
      return order
    },
  }
}
