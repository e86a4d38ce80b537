import { BitfleetError } from '../../shared/errors.ts'
import { decimalText, decodeFloats } from '../../shared/half.ts'
import {
  type DType,
  type FloatDType,
  type Tensor,
  asBits,
  asFloat64,
  bitsHex,
  createTensor,
  dtypeBytes,
  elementCount,
  isFloat,
} from '../../shared/tensor.ts'
import { bucketName, ulpDistance } from '../../shared/ulp.ts'
import type { ElementComparison, FirstDifference } from '../report/format.ts'
import { tally } from './kernels/index.ts'

export interface TensorComparison {
  /** Whether every bit is equal. */
  readonly equal: boolean
  /** The first difference in C order. */
  readonly first: FirstDifference | null
  readonly statistics: ElementComparison
}

/**
 * Compares two tensors of one dtype and shape, bit by bit.
 *
 * Equal patterns are bucket `0` of the histogram even where they are NaNs; `nan` and `sign-of-zero` hold unequal
 * patterns only. So the buckets add up to the elements. How the sums of `relativeL2` are formed: `kernels/tally.ts`.
 *
 * @throws `usage` if dtype or shape differ
 */
export function compareTensors(a: Tensor, b: Tensor): TensorComparison {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) {
    throw new BitfleetError(
      'usage',
      `${a.dtype}[${a.shape}] and ${b.dtype}[${b.shape}] cannot be compared: dtypes and shapes must be equal`,
    )
  }
  const element = firstUnequal(a, b)
  return {
    equal: element === undefined,
    first: element === undefined ? null : firstDifference(a, b, element),
    statistics: element === undefined ? statisticsOfEqual(a) : statisticsOfUnequal(a, b),
  }
}

const scanBytes = 1 << 20

/** The first element of which a byte differs, found with the C library's memcmp. */
function firstUnequal(a: Tensor, b: Tensor): number | undefined {
  const width = dtypeBytes[a.dtype]
  const [left, right] = [Buffer.from(a.bytes.buffer, a.bytes.byteOffset, a.bytes.byteLength), b.bytes]
  for (let start = 0; start < left.length; start += scanBytes) {
    const end = Math.min(left.length, start + scanBytes)
    if (left.compare(right, start, end, start, end) === 0) continue
    for (let at = start; at < end; at++) if (left[at] !== right[at]) return Math.floor(at / width)
  }
  return undefined
}

function firstDifference(a: Tensor, b: Tensor, element: number): FirstDifference {
  const { dtype, shape } = a
  const [p, q] = [elementAt(a, element), elementAt(b, element)]
  const [bitsA, bitsB] = [asBits(p)[0] as number | bigint, asBits(q)[0] as number | bigint]
  return {
    element,
    indices: indicesOf(element, shape),
    bits: [bitsHex(p)[0] as string, bitsHex(q)[0] as string],
    values: [decimalText(dtype, bitsA), decimalText(dtype, bitsB)],
    ulp: isFloat(dtype) ? (ulpDistance(dtype, bitsA, bitsB)?.toString() ?? null) : null,
  }
}

function elementAt({ dtype, bytes }: Tensor, element: number): Tensor {
  const width = dtypeBytes[dtype]
  return createTensor(dtype, [], bytes.subarray(element * width, (element + 1) * width))
}

/** Indices of an element counted in C order. */
export function indicesOf(element: number, shape: readonly number[]): number[] {
  let rest = element
  return shape
    .toReversed()
    .map((extent) => {
      const index = rest % extent
      rest = Math.floor(rest / extent)
      return index
    })
    .reverse()
}

function statisticsOfEqual(a: Tensor): ElementComparison {
  const elements = elementCount(a.shape)
  const floating = isFloat(a.dtype)
  return {
    elements,
    unequal: 0,
    signOfZero: 0,
    nan: 0,
    maxUlp: floating ? '0' : null,
    relativeL2: floating && hasFiniteNonzero(a.dtype, a.bytes) ? 0 : null,
    histogram: floating && elements > 0 ? [{ bucket: '0', count: elements }] : [],
  }
}

/** Whether ‖a‖₂ over the finite elements is above zero; the first such element ends the search. */
function hasFiniteNonzero(dtype: FloatDType, bytes: Uint8Array): boolean {
  const pieceBytes = 4096
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    const piece = bytes.subarray(start, start + pieceBytes)
    const values = decodeFloats(createTensor(dtype, [piece.length / dtypeBytes[dtype]], piece))
    if (values.some((value) => value !== 0 && Number.isFinite(value))) return true
  }
  return false
}

function statisticsOfUnequal(a: Tensor, b: Tensor): ElementComparison {
  const elements = elementCount(a.shape)
  const { dtype } = a
  if (!isFloat(dtype)) {
    const unequal = countUnequal(dtype, a.bytes, b.bytes)
    return { elements, unequal, signOfZero: 0, nan: 0, maxUlp: null, relativeL2: null, histogram: [] }
  }
  const { unequal, signOfZero, nan, ranks, maxUlp, squares, squaredDifferences } = tally(dtype, a.bytes, b.bytes)
  const counts: [string, number][] = [
    ['0', elements - unequal],
    ...Array.from(ranks, (count, rank): [string, number] => [bucketName(rank), count]).slice(1),
    ['nan', nan],
    ['sign-of-zero', signOfZero],
  ]
  return {
    elements,
    unequal,
    signOfZero,
    nan,
    maxUlp: maxUlp.toString(),
    relativeL2: relativeL2(dtype, a.bytes, b.bytes, squares, squaredDifferences),
    histogram: counts.filter(([, count]) => count > 0).map(([bucket, count]) => ({ bucket, count })),
  }
}

/** √Σ(a − b)² / √Σa²; binary64 sums that overflowed, or lost squares to underflow, are formed again with scaling. */
function relativeL2(
  dtype: FloatDType,
  a: Uint8Array,
  b: Uint8Array,
  squares: number,
  differences: number,
): number | null {
  const safe = (sum: number) => sum > 2 ** -900 && sum < Infinity
  if (dtype !== 'f64' || (safe(squares) && safe(differences))) {
    return squares === 0 ? null : Math.sqrt(differences) / Math.sqrt(squares)
  }
  const [left, right] = [float64Of(a), float64Of(b)]
  // Halved where a difference could overflow; beside values so large, what subnormals lose by it is nothing.
  const factor = squares + differences < Infinity ? 1 : 0.5
  const finite = (i: number) => Number.isFinite(left[i]) && Number.isFinite(right[i])
  const at = (values: Float64Array, i: number) => (values[i] as number) * factor
  const norm = scaledNorm(left.length, (i) => (finite(i) ? at(left, i) : 0))
  const distance = scaledNorm(left.length, (i) => (finite(i) ? at(left, i) - at(right, i) : 0))
  return norm.scale === 0 ? null : (distance.scale / norm.scale) * (distance.root / norm.root)
}

function float64Of(bytes: Uint8Array): Float64Array {
  return asFloat64(createTensor('f64', [bytes.length / 8], bytes))
}

/**
 * A norm as `scale`·`root`, the scale being the largest magnitude: no square overflows (as BLAS nrm2; Blue 1978). Loops
 * over what it is given without a copy: a large tensor must not hold up the whole coordinator.
 */
function scaledNorm(count: number, value: (i: number) => number): { scale: number; root: number } {
  let scale = 0
  for (let i = 0; i < count; i++) scale = Math.max(scale, Math.abs(value(i)))
  if (scale === 0) return { scale, root: 1 }
  let sum = 0
  for (let i = 0; i < count; i++) {
    const share = value(i) / scale
    sum += share * share
  }
  return { scale, root: Math.sqrt(sum) }
}

function countUnequal(dtype: DType, a: Uint8Array, b: Uint8Array): number {
  const width = dtypeBytes[dtype]
  let unequal = 0
  for (let at = 0; at < a.length; at += width) {
    for (let k = 0; k < width; k++) {
      if (a[at + k] === b[at + k]) continue
      unequal++
      break
    }
  }
  return unequal
}
