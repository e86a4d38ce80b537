import {
  type DType,
  type FloatDType,
  type Tensor,
  asBits,
  asFloat32,
  asFloat64,
  bytesOf,
  dtypeBytes,
} from './tensor.ts'

const scratch64 = new Float64Array(1)
const scratchWords = new Uint32Array(scratch64.buffer)
const scratch32 = new Float32Array(1)
const scratchBits = new Uint32Array(scratch32.buffer)

/**
 * Rounding of binary64 to a 16-bit format, once and with ties to even; never by way of binary32, which would round
 * twice. Values past the largest finite go to infinity as IEEE 754 §4.3.1 says; any NaN becomes the quiet NaN.
 */
function createNarrowing(significandBits: number, bias: number): (value: number) => number {
  const least = 1 - bias
  const quantum = 2 ** (least - significandBits)
  /** Adding it makes the last place of the sum the quantum, so that the addition itself rounds. */
  const anchor = quantum * 2 ** 52
  const infinity = (2 * bias + 1) << significandBits
  const dropped = 20 - significandBits
  const half = 1 << (dropped - 1)
  return (value) => {
    scratch64[0] = value
    const high = scratchWords[1] as number
    const sign = (high >>> 31) << 15
    const exponent = ((high >>> 20) & 0x7ff) - 1023
    if (exponent < least) return sign | ((Math.abs(value) + anchor - anchor) / quantum)
    if (exponent > bias) return Number.isNaN(value) ? infinity | (1 << (significandBits - 1)) : sign | infinity
    const kept = ((exponent + bias) << significandBits) | ((high & 0xfffff) >>> dropped)
    const rest = high & (2 * half - 1)
    const up = rest > half || (rest === half && (scratchWords[0] !== 0 || (kept & 1) === 1))
    return sign | (up ? kept + 1 : kept)
  }
}

/** The bit pattern of the binary16 nearest to a binary64 value, ties to even. */
export const float16Bits = createNarrowing(10, 15)

/** The bit pattern of the bfloat16 nearest to a binary64 value, ties to even. */
export const bfloat16Bits = createNarrowing(7, 127)

/** The value of a binary16 bit pattern; exact. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The value of a bfloat16 bit pattern; exact. */
export function bfloat16Value(bits: number): number {
  scratchBits[0] = bits << 16
  return scratch32[0] as number
}

/** Elements of a floating-point tensor as binary64; exact, but NaNs lose their payload: for arithmetic only. */
export function decodeFloats(tensor: Tensor): Float64Array {
  if (tensor.dtype === 'f64') return asFloat64(tensor)
  if (tensor.dtype === 'f32') return Float64Array.from(asFloat32(tensor))
  const bits = asBits(tensor) as Uint16Array
  return Float64Array.from(bits, tensor.dtype === 'f16' ? float16Value : bfloat16Value)
}

/** Bytes of the elements of a dtype nearest to these values, each rounded once with ties to even. */
export function encodeFloats(dtype: FloatDType, values: ArrayLike<number>): Uint8Array {
  if (dtype === 'f64') return bytesOf(Float64Array.from(values))
  if (dtype === 'f32') return bytesOf(Float32Array.from(values))
  const narrow = dtype === 'f16' ? float16Bits : bfloat16Bits
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) bits[i] = narrow(values[i] as number)
  return bytesOf(bits)
}

/** The binary64 value of a floating-point bit pattern. */
export function floatValue(dtype: FloatDType, bits: bigint | number): number {
  if (dtype === 'f16') return float16Value(Number(bits))
  if (dtype === 'bf16') return bfloat16Value(Number(bits))
  if (dtype === 'f32') {
    scratchBits[0] = Number(bits)
    return scratch32[0] as number
  }
  const wide = BigInt(bits)
  scratchWords[0] = Number(wide & 0xffff_ffffn)
  scratchWords[1] = Number(wide >> 32n)
  return scratch64[0] as number
}

/** Significant decimal digits that always suffice to read a value back. */
const enoughDigits = { f16: 5, bf16: 4, f32: 9 } as const

/**
 * The fewest decimal digits, correctly rounded, that read back to the same element; below 2⁵³ an integer has all of its
 * digits; `-0`, `NaN` and `Infinity` as they are. For the eye: bits are compared, never this.
 *
 * @param bits the element's pattern, unsigned
 */
export function decimalText(dtype: DType, bits: bigint | number): string {
  if (dtype === 'f64' || dtype === 'f32' || dtype === 'f16' || dtype === 'bf16') {
    const value = floatValue(dtype, bits)
    if (value === 0) return Object.is(value, -0) ? '-0' : '0'
    if (dtype === 'f64' || !Number.isFinite(value)) return String(value)
    // Fewer digits would make an integer look like another one.
    if (Number.isInteger(value) && Math.abs(value) < 2 ** 53) return String(value)
    const narrow = dtype === 'f32' ? Math.fround : (x: number) => roundTo(dtype, x)
    for (let digits = 1; digits < enoughDigits[dtype]; digits++) {
      const candidate = Number(value.toPrecision(digits))
      if (narrow(candidate) === value) return String(candidate)
    }
    return String(Number(value.toPrecision(enoughDigits[dtype])))
  }
  const width = dtypeBytes[dtype] * 8
  return dtype.startsWith('i') ? BigInt.asIntN(width, BigInt(bits)).toString() : BigInt(bits).toString()
}

/** The value of `dtype` nearest to a binary64 value, ties to even. */
export function roundTo(dtype: FloatDType, value: number): number {
  if (dtype === 'f64') return value
  if (dtype === 'f32') return Math.fround(value)
  return dtype === 'f16' ? float16Value(float16Bits(value)) : bfloat16Value(bfloat16Bits(value))
}
