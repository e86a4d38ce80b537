import { BitfleetError } from '../errors.ts'
import { encodeFloats } from '../half.ts'
import { type DType, type FloatDType, type Tensor, createTensor, elementCount, isFloat } from '../tensor.ts'
import type { Stream } from './stream.ts'

/** How the operands of a workload are distributed. */
export const dataKinds = ['uniform', 'centred', 'normal', 'wide', 'cancelling'] as const
export type DataKind = (typeof dataKinds)[number]

/**
 * Draws a tensor in C order from the next words of a stream, by exact operations and at most one rounding, so that
 * every machine draws the same bits. Words an element takes, and what becomes of them:
 *
 * - `uniform`, in [0, 1): f64 two words, ((hi >>> 5)·2²⁶ + (lo >>> 6))·2⁻⁵³; else one: f32 (w >>> 8)·2⁻²⁴,
 *   f16 (w >>> 21)·2⁻¹¹, bf16 (w >>> 24)·2⁻⁸. Exact.
 * - `centred`, in [−1, 1): 2u − 1 of `uniform`. Exact.
 * - `normal`: twelve words in every dtype, Σ(w >>> 8)·2⁻²⁴ − 6, exact in binary64, rounded once (Irwin–Hall).
 * - `wide`: ±(1 + s·2⁻ᵖ)·2ᵉ with p the stored significand bits (f64 52, f32 23, f16 10, bf16 7). f64: two words, sign
 *   hi >>> 31, s = (hi & 0xfffff)·2³² + lo; else one word, sign w >>> 31, s its low p bits. Then e = below(41) − 20
 *   (f16, which has no such exponents: below(29) − 14), almost always one word more. Exact.
 * - `cancelling`: pairs: x of `wide`, and −x with the lowest q bits of s replaced by the top q bits of one word more
 *   (q: f64 16, f32 8, f16 3, bf16 2). Of an odd number, the last is `wide` alone. When all are made,
 *   p = permutation(n) of the same stream, and element i is the one made as number p[i]. Exact.
 *
 * @throws `usage` if the dtype is not floating point
 */
export function drawTensor(kind: DataKind, dtype: DType, shape: readonly number[], stream: Stream): Tensor {
  if (!isFloat(dtype)) {
    throw new BitfleetError('usage', `data kind ${kind} has no dtype ${dtype}; choose f64, f32, f16 or bf16`)
  }
  return createTensor(dtype, shape, encodeFloats(dtype, draws[kind](dtype, elementCount(shape), stream)))
}

const draws: Record<DataKind, (dtype: FloatDType, n: number, stream: Stream) => Float64Array | Float32Array> = {
  uniform,
  centred: (dtype, n, stream) => uniform(dtype, n, stream).map((u) => 2 * u - 1),
  normal(_dtype, n, stream) {
    const values = new Float64Array(n)
    for (let i = 0; i < n; i++) {
      let sum = 0
      for (let k = 0; k < 12; k++) sum += stream.u32() >>> 8
      values[i] = sum * 2 ** -24 - 6
    }
    return values
  },
  wide(dtype, n, stream) {
    const values = new Float64Array(n)
    for (let i = 0; i < n; i++) values[i] = valueOf(dtype, drawWide(dtype, stream))
    return values
  },
  cancelling(dtype, n, stream) {
    const made = new Float64Array(n)
    const { renewed } = layouts[dtype]
    for (let i = 0; i + 1 < n; i += 2) {
      const first = drawWide(dtype, stream)
      const kept = first.significand - (first.significand % 2 ** renewed)
      const significand = kept + (stream.u32() >>> (32 - renewed))
      made[i] = valueOf(dtype, first)
      made[i + 1] = valueOf(dtype, { ...first, sign: -first.sign, significand })
    }
    if (n % 2 === 1) made[n - 1] = valueOf(dtype, drawWide(dtype, stream))
    return Float64Array.from(stream.permutation(n), (from) => made[from] as number)
  },
}

function uniform(dtype: FloatDType, n: number, stream: Stream): Float64Array | Float32Array {
  if (dtype === 'f64') return stream.uniform64(n)
  if (dtype === 'f32') return stream.uniform32(n)
  const bits = layouts[dtype].significand + 1
  return Float64Array.from(stream.fillU32(n), (word) => (word >>> (32 - bits)) * 2 ** -bits)
}

/** Stored significand bits, largest magnitude of an exponent of `wide`, and the bits `cancelling` draws anew. */
const layouts: Record<FloatDType, { significand: number; exponent: number; renewed: number }> = {
  f64: { significand: 52, exponent: 20, renewed: 16 },
  f32: { significand: 23, exponent: 20, renewed: 8 },
  f16: { significand: 10, exponent: 14, renewed: 3 },
  bf16: { significand: 7, exponent: 20, renewed: 2 },
}

interface Wide {
  readonly sign: number
  /** The stored bits s, a whole number. */
  readonly significand: number
  readonly exponent: number
}

function drawWide(dtype: FloatDType, stream: Stream): Wide {
  const layout = layouts[dtype]
  const word = stream.u32()
  const significand = dtype === 'f64' ? (word & 0xfffff) * 2 ** 32 + stream.u32() : word & (2 ** layout.significand - 1)
  const exponent = stream.below(2 * layout.exponent + 1) - layout.exponent
  return { sign: word >>> 31 ? -1 : 1, significand, exponent }
}

function valueOf(dtype: FloatDType, { sign, significand, exponent }: Wide): number {
  return sign * (1 + significand * 2 ** -layouts[dtype].significand) * 2 ** exponent
}
