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
import type { DifferenceKind, ElementComparison, FirstDifference } from '../report/format.ts'
import { tally } from './kernels/index.ts'
import type { Tally } from './kernels/tally.ts'
import { kindOf, limitPatterns } from './kinds.ts'
import { patternsOf } from './patterns.ts'

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
    const bytes = Buffer.compare(a.bytes, b.bytes) === 0 ? '; only their bytes are the same' : ''
    throw new BitfleetError(
      'usage',
      `${a.dtype}[${a.shape}] and ${b.dtype}[${b.shape}] cannot be compared: dtypes and shapes must be equal${bytes}`,
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
    kind: kindOf(dtype, bitsA, bitsB),
  }
}

/** One element as a scalar. */
export function elementAt({ dtype, bytes }: Tensor, element: number): Tensor {
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
  const none = { elements, unequal: 0, kinds: {}, patterns: [], signOfZero: 0, nan: 0 }
  if (!isFloat(a.dtype)) return { ...none, ...noDistance(a.dtype) }
  const measured = hasFiniteNonzero(a.dtype, a.bytes)
  return {
    ...none,
    maxUlp: '0',
    relativeL2: measured ? 0 : null,
    notMeasured: measured ? {} : { relativeL2: nothingToDivideBy },
    histogram: elements > 0 ? [{ bucket: '0', count: elements }] : [],
  }
}

const nothingToDivideBy = 'a has no finite number but zero'

/** The figures of a dtype that is not floating point. */
function noDistance(dtype: DType): Pick<ElementComparison, 'maxUlp' | 'relativeL2' | 'notMeasured' | 'histogram'> {
  const reason = `${dtype} is not a floating-point type`
  return { maxUlp: null, relativeL2: null, notMeasured: { maxUlp: reason, relativeL2: reason }, histogram: [] }
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
  const { dtype } = a
  return isFloat(dtype) ? floatStatistics(dtype, a, b) : integerStatistics(dtype, a, b)
}

function floatStatistics(dtype: FloatDType, a: Tensor, b: Tensor): ElementComparison {
  const elements = elementCount(a.shape)
  const counted = tally(dtype, a.bytes, b.bytes)
  const { unequal, kinds, ranks } = counted
  const signOfZero = kinds['sign-of-zero']
  const nan = kinds['nan-sign'] + kinds['nan-payload'] + kinds['nan-number']
  const buckets: [string, number][] = [
    ['0', elements - unequal],
    ...Array.from(ranks, (count, rank): [string, number] => [bucketName(rank), count]).slice(1),
    ['nan', nan],
    ['sign-of-zero', signOfZero],
  ]
  const norm = relativeL2(dtype, a.bytes, b.bytes, counted)
  return {
    elements,
    unequal,
    kinds: withoutZeros(kinds),
    patterns: patternsOf(a, b, unequal, kinds.zero, counted.equalSums),
    signOfZero,
    nan,
    maxUlp: nan === unequal ? null : counted.maxUlp.toString(),
    relativeL2: 'missing' in norm ? null : norm.ratio,
    notMeasured: {
      ...(nan === unequal ? { maxUlp: 'every pair that differs has a NaN' } : {}),
      ...('missing' in norm ? { relativeL2: norm.missing } : {}),
    },
    histogram: buckets.filter(([, count]) => count > 0).map(([bucket, count]) => ({ bucket, count })),
  }
}

function withoutZeros(kinds: Readonly<Partial<Record<DifferenceKind, number>>>): ElementComparison['kinds'] {
  return Object.fromEntries(Object.entries(kinds).filter(([, count]) => count > 0))
}

function integerStatistics(dtype: DType, a: Tensor, b: Tensor): ElementComparison {
  const [left, right] = [asBits(a), asBits(b)]
  const kinds: Partial<Record<DifferenceKind, number>> = {}
  const limits = limitPatterns(dtype)
  let unequal = 0
  let sum = 0
  for (let i = 0; i < left.length; i++) {
    const [p, q] = [left[i] as number | bigint, right[i] as number | bigint]
    if (p === q) continue
    unequal++
    // Modulo 2³², which a permutation leaves at 0 too.
    sum = (sum + low32(p) - low32(q)) | 0
    if (dtype === 'bool' || limits.includes(p) || limits.includes(q)) {
      const kind = kindOf(dtype, p, q)
      kinds[kind] = (kinds[kind] ?? 0) + 1
    }
  }
  // Most integers are far from a limit, and need no closer look.
  const others = unequal - (kinds.saturation ?? 0) - (kinds.zero ?? 0)
  if (others > 0) kinds.integer = others
  return {
    elements: left.length,
    unequal,
    kinds,
    patterns: patternsOf(a, b, unequal, kinds.zero ?? 0, sum === 0),
    signOfZero: 0,
    nan: 0,
    ...noDistance(dtype),
  }
}

function low32(pattern: number | bigint): number {
  return typeof pattern === 'number' ? pattern : Number(pattern & 0xffff_ffffn)
}

type Norm = { readonly ratio: number | 'infinite' } | { readonly missing: string }

/** √Σ(a − b)² / √Σa²; binary64 sums that overflowed, or lost squares to underflow, are formed again with scaling. */
function relativeL2(dtype: FloatDType, a: Uint8Array, b: Uint8Array, counted: Tally): Norm {
  const { squares, squaredDifferences, unequal, kinds } = counted
  const safe = (sum: number) => sum > 2 ** -900 && sum < Infinity
  const direct = dtype !== 'f64' || (safe(squares) && safe(squaredDifferences))
  const [norm, distance] = direct
    ? [unscaled(squares), unscaled(squaredDifferences)]
    : scaledNorms(a, b, squares + squaredDifferences < Infinity ? 1 : 0.5)
  if (distance.scale === 0 && unequal > kinds['sign-of-zero']) {
    return { missing: 'every pair that differs has a NaN or an infinity' }
  }
  if (norm.scale === 0) return { missing: nothingToDivideBy }
  const ratio = quotient(distance, norm) * distance.by
  if (ratio === 0 && distance.scale > 0) return { missing: 'it is below the least binary64 number' }
  return { ratio: ratio < Infinity ? ratio : 'infinite' }
}

/** A norm as `scale`·`root`·`by`; a norm of 0 has the scale 0. */
interface ScaledNorm {
  readonly scale: number
  readonly root: number
  readonly by: number
}

function unscaled(sum: number): ScaledNorm {
  return sum === 0 ? { scale: 0, root: 1, by: 1 } : { scale: 1, root: Math.sqrt(sum), by: 1 }
}

/** Without `by`, in an order of operations in which nothing overflows but the result. */
function quotient(a: ScaledNorm, b: ScaledNorm): number {
  const roots = a.root / b.root
  return roots < 1 && a.scale > 1 ? (a.scale * roots) / b.scale : (a.scale / b.scale) * roots
}

/** ‖a‖ and ‖a − b‖ over the finite pairs. A factor of 0.5 is for differences that would overflow without it; ‖a‖ never needs it. */
function scaledNorms(a: Uint8Array, b: Uint8Array, factor: number): [ScaledNorm, ScaledNorm] {
  const [left, right] = [float64Of(a), float64Of(b)]
  const finite = (i: number) => Number.isFinite(left[i]) && Number.isFinite(right[i])
  // Beside differences so large, what subnormals lose by the factor is nothing.
  const at = (values: Float64Array, i: number) => (values[i] as number) * factor
  return [
    scaledNorm(left.length, (i) => (finite(i) ? (left[i] as number) : 0)),
    { ...scaledNorm(left.length, (i) => (finite(i) ? at(left, i) - at(right, i) : 0)), by: 1 / factor },
  ]
}

function float64Of(bytes: Uint8Array): Float64Array {
  return asFloat64(createTensor('f64', [bytes.length / 8], bytes))
}

/**
 * A norm as `scale`·`root`, the scale being the largest magnitude: no square overflows (as BLAS nrm2; Blue 1978). Loops
 * over what it is given without a copy: a large tensor must not hold up the whole coordinator.
 */
function scaledNorm(count: number, value: (i: number) => number): ScaledNorm {
  let scale = 0
  for (let i = 0; i < count; i++) scale = Math.max(scale, Math.abs(value(i)))
  if (scale === 0) return { scale, root: 1, by: 1 }
  let sum = 0
  for (let i = 0; i < count; i++) {
    const share = value(i) / scale
    sum += share * share
  }
  return { scale, root: Math.sqrt(sum), by: 1 }
}
