import { BitfleetError } from './errors.ts'

/** Element types and their sizes in bytes. `bf16` is the upper half of binary32. */
export const dtypeBytes = {
  bool: 1,
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  f16: 2,
  bf16: 2,
  f32: 4,
  f64: 8,
} as const

export type DType = keyof typeof dtypeBytes
export const dtypes = Object.keys(dtypeBytes) as DType[]

export type FloatDType = 'f16' | 'bf16' | 'f32' | 'f64'

export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === 'f16' || dtype === 'bf16' || dtype === 'f32' || dtype === 'f64'
}

/**
 * Bytes with a dtype and a shape: little-endian, C order, no padding. They are never read as numbers on their way;
 * reading a signalling NaN by value would change it.
 */
export interface Tensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** The identity of an array: equal for two only if dtype, shape and bytes are equal. */
export function arrayKey({
  dtype,
  shape,
  digest,
}: Pick<Tensor, 'dtype' | 'shape'> & { readonly digest: string }): string {
  return `${dtype}[${shape.join()}] ${digest}`
}

/** Number of elements of a shape; a scalar (`[]`) has one. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

/** @throws `format` if the byte length does not fit dtype and shape. */
export function createTensor(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new BitfleetError('format', `tensor shape [${shape}] has an extent that is not a whole number`)
    }
  }
  const expected = elementCount(shape) * dtypeBytes[dtype]
  if (bytes.byteLength !== expected) {
    throw new BitfleetError(
      'format',
      `tensor ${dtype}[${shape}] needs ${expected} bytes, ${bytes.byteLength} were given`,
    )
  }
  return { dtype, shape: [...shape], bytes }
}

/** A typed array's own bytes as a Uint8Array, not copied. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** A copy of the bytes at offset 0 of a buffer of its own, so that typed views of any width are aligned. */
export function alignedCopy(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength)
  new Uint8Array(copy).set(bytes)
  return copy
}

/** The buffer behind `bytes` where its offset is a multiple of `width`, else an aligned copy. */
function alignedView(bytes: Uint8Array, width: number): [ArrayBufferLike, number] {
  return bytes.byteOffset % width === 0 ? [bytes.buffer, bytes.byteOffset] : [alignedCopy(bytes), 0]
}

/** Elements of an `f32` tensor. Reading a signalling NaN from it by value may quiet it: for arithmetic only. */
export function asFloat32(tensor: Tensor): Float32Array {
  if (tensor.dtype !== 'f32') throw new BitfleetError('internal', `asFloat32 was given ${tensor.dtype}`)
  const [buffer, offset] = alignedView(tensor.bytes, 4)
  return new Float32Array(buffer, offset, tensor.bytes.byteLength / 4)
}

/** Elements of an `f64` tensor; for arithmetic only, as `asFloat32`. */
export function asFloat64(tensor: Tensor): Float64Array {
  if (tensor.dtype !== 'f64') throw new BitfleetError('internal', `asFloat64 was given ${tensor.dtype}`)
  const [buffer, offset] = alignedView(tensor.bytes, 8)
  return new Float64Array(buffer, offset, tensor.bytes.byteLength / 8)
}

/** Bit patterns of the elements, for comparing: unsigned, as wide as the dtype. */
export function asBits(tensor: Tensor): Uint8Array | Uint16Array | Uint32Array | BigUint64Array {
  const width = dtypeBytes[tensor.dtype]
  const [buffer, offset] = alignedView(tensor.bytes, width)
  const n = tensor.bytes.byteLength / width
  if (width === 1) return new Uint8Array(buffer, offset, n)
  if (width === 2) return new Uint16Array(buffer, offset, n)
  if (width === 4) return new Uint32Array(buffer, offset, n)
  return new BigUint64Array(buffer, offset, n)
}

/** Big-endian hex of each element, as a reader writes a bit pattern: binary32 1 is `3f800000`. */
export function bitsHex(tensor: Tensor): string[] {
  const digits = dtypeBytes[tensor.dtype] * 2
  const hex: string[] = []
  for (const pattern of asBits(tensor)) hex.push(pattern.toString(16).padStart(digits, '0'))
  return hex
}

/** The tensor whose elements have these bit patterns: the inverse of `bitsHex`. */
export function tensorFromBits(dtype: DType, shape: readonly number[], bits: readonly string[]): Tensor {
  const width = dtypeBytes[dtype]
  const bytes = new Uint8Array(bits.length * width)
  bits.forEach((hex, i) => {
    if (hex.length !== width * 2 || !/^[0-9a-f]*$/.test(hex)) {
      throw new BitfleetError('format', `"${hex}" is not the bit pattern of one ${dtype}`)
    }
    for (let b = 0; b < width; b++) {
      bytes[i * width + b] = Number.parseInt(hex.slice((width - 1 - b) * 2, (width - b) * 2), 16)
    }
  })
  return createTensor(dtype, shape, bytes)
}
