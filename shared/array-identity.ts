import { BitfleetError } from './errors.ts'
import type { DType } from './tensor.ts'

/** What an array is: equal bytes under another dtype or shape are another array. */
export interface ArrayIdentity {
  readonly digest: string
  readonly dtype: DType
  readonly shape: readonly number[]
}

/**
 * A user's own array as parameters name it. `file` is for people. Without `dtype` and `shape`, the digest alone
 * must say which of a plan's arrays is meant.
 */
export interface ArrayReference {
  readonly file: string
  readonly digest: string
  readonly dtype?: DType | undefined
  readonly shape?: readonly number[] | undefined
}

export function refersTo({ digest, dtype, shape }: Omit<ArrayReference, 'file'>, array: ArrayIdentity): boolean {
  return (
    array.digest === digest &&
    (dtype === undefined || array.dtype === dtype) &&
    (shape === undefined || String(array.shape) === String(shape))
  )
}

/** Equal for equal arrays, and for no others. */
export function arrayKey({ digest, dtype, shape }: ArrayIdentity): string {
  return `${digest} ${dtype}[${shape}]`
}

/** Each array once, in the order of its first appearance. */
export function distinctArrays<Found extends ArrayIdentity>(arrays: readonly Found[]): Found[] {
  const first = new Map<string, Found>()
  for (const array of arrays) if (!first.has(arrayKey(array))) first.set(arrayKey(array), array)
  return [...first.values()]
}

/**
 * The array that a reference means.
 *
 * @throws `not-found` if none is; `usage` if two are, since nobody may guess which
 */
export function findArray<Found extends ArrayIdentity>(
  arrays: readonly Found[] | undefined,
  reference: ArrayReference,
): Found {
  const found = distinctArrays((arrays ?? []).filter((array) => refersTo(reference, array)))
  const [array] = found
  if (!array) throw new BitfleetError('not-found', `the array ${reference.digest} was not given with the plan`)
  if (found.length === 1) return array
  const what = found.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(' and ')
  throw new BitfleetError(
    'usage',
    `${reference.file} may be ${what}, which have the same bytes; give its dtype and shape beside its digest`,
  )
}
