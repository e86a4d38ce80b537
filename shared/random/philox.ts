/**
 * Philox4x32-10, a counter-based generator: a block of four words is a keyed bijection of its counter, so any block
 * can be made without those before it, and every machine makes the same words.
 *
 * @see Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3. SC'11, §3.3 and Table 2.
 */
const multiplier0 = 0xd2511f53
const multiplier1 = 0xcd9e8d57
const weyl0 = 0x9e3779b9
const weyl1 = 0xbb67ae85
const rounds = 10

export type Words4 = readonly [number, number, number, number]
export type PhiloxKey = readonly [number, number]

/** One block: the four output words (unsigned) of a counter of four words under a key. */
export function philox4x32(counter: Words4, key: PhiloxKey): Words4 {
  const out = new Uint32Array(4)
  block(out, 0, counter[0], counter[1], counter[2], counter[3], key[0], key[1])
  return [out[0] as number, out[1] as number, out[2] as number, out[3] as number]
}

/**
 * Fills `out` (a whole number of blocks of four words) with the blocks `first`, `first` + 1, …, the counter being the
 * block's number, little-endian over its four words.
 *
 * @param first below 2⁵³
 */
export function philoxFill(out: Uint32Array, key: PhiloxKey, first: number): void {
  for (let at = 0; at < out.length; at += 4) {
    const number = first + at / 4
    block(out, at, number | 0, Math.floor(number / 0x1_0000_0000) | 0, 0, 0, key[0], key[1])
  }
}

function block(
  out: Uint32Array,
  at: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
): void {
  let x0 = counter0 | 0
  let x1 = counter1 | 0
  let x2 = counter2 | 0
  let x3 = counter3 | 0
  let k0 = key0 | 0
  let k1 = key1 | 0
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(x0, multiplier0 >>> 16, multiplier0 & 0xffff)
    const high1 = multiplyHigh(x2, multiplier1 >>> 16, multiplier1 & 0xffff)
    const low0 = Math.imul(x0, multiplier0)
    const low1 = Math.imul(x2, multiplier1)
    x0 = high1 ^ x1 ^ k0
    x1 = low1
    x2 = high0 ^ x3 ^ k1
    x3 = low0
    k0 = (k0 + weyl0) | 0
    k1 = (k1 + weyl1) | 0
  }
  out[at] = x0
  out[at + 1] = x1
  out[at + 2] = x2
  out[at + 3] = x3
}

/** Upper 32 bits of the unsigned product, from four 16-bit products; no partial sum passes 2³². */
function multiplyHigh(a: number, high: number, low: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const middle = Math.imul(aHigh, low) + (Math.imul(aLow, low) >>> 16)
  const cross = Math.imul(aLow, high) + (middle & 0xffff)
  return (Math.imul(aHigh, high) + (middle >>> 16) + (cross >>> 16)) | 0
}
