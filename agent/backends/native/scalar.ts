import koffi from 'koffi'
import { bytesOf } from '../../../shared/tensor.ts'
import type { NativeLibrary, NativeType } from './library.ts'

// A number that passes between C and JavaScript loses a NaN's sign and payload: the engine keeps one NaN. A structure
// that holds one float or double travels in the same register as the bare value (System V AMD64 ABI §3.2.3, aggregates
// of class SSE; AAPCS64 §6.8.2, homogeneous floating-point aggregates), and its array member is copied as bytes.

export type FloatWidth = 'f32' | 'f64'

/** One scalar by its bits: an array of one element. */
export interface Scalar {
  readonly v: Float32Array | Float64Array
}

const types: Record<FloatWidth, NativeType> = {
  f32: koffi.struct({ v: koffi.array('float', 1, 'Typed') }),
  f64: koffi.struct({ v: koffi.array('double', 1, 'Typed') }),
}

/** The type to bind a `float` or `double` argument or result with, so that every bit of it survives. */
export function scalarType(dtype: FloatWidth): NativeType {
  return types[dtype]
}

/** A scalar to hand over, and the array to set it by. */
export function createScalar(dtype: FloatWidth): Scalar {
  return { v: dtype === 'f32' ? new Float32Array(1) : new Float64Array(1) }
}

/** Signalling and negative: nothing but a copy of the bytes brings it back. */
const witnesses: Record<FloatWidth, Uint8Array> = {
  f32: Uint8Array.of(0x45, 0x23, 0xa1, 0xff),
  f64: Uint8Array.of(0xef, 0xcd, 0xab, 0, 0, 0, 0xf4, 0xff),
}

/**
 * Whether scalars cross bit for bit here: hands a signalling NaN to `fabs`, which by IEEE 754 §5.5.1 changes its sign
 * bit alone. False under a calling convention that is neither of the two.
 */
export function scalarsCrossExactly(libm: NativeLibrary): boolean {
  return (['f32', 'f64'] as const).every((dtype) => {
    const fabs = libm.bind(dtype === 'f32' ? 'fabsf' : 'fabs', types[dtype], [types[dtype]]) as (x: Scalar) => Scalar
    const operand = createScalar(dtype)
    const expected = Uint8Array.from(witnesses[dtype])
    bytesOf(operand.v).set(expected)
    expected[expected.length - 1] = (expected.at(-1) as number) & 0x7f
    return Buffer.compare(bytesOf(fabs(operand).v), expected) === 0
  })
}
