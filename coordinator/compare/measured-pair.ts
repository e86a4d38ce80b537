import { messageOf } from '../../shared/errors.ts'
import { type TensorComparison, compareTensors } from './elements.ts'
import type { TensorPlace, TensorReader } from './tensor-reader.ts'

export interface Missing {
  readonly missing: string
}

/**
 * Reads two tensors and compares them. Whatever goes wrong costs these figures only: the result says why they are
 * missing, and nothing is thrown.
 */
export async function comparePlaces(
  a: TensorPlace,
  b: TensorPlace,
  read: TensorReader,
): Promise<TensorComparison | Missing> {
  if (typeText(a) !== typeText(b)) {
    const bytes = a.digest === b.digest ? 'the same bytes, another type or shape' : 'another type or shape'
    return { missing: `${typeText(a)} against ${typeText(b)}: ${bytes}` }
  }
  try {
    const [left, right] = await Promise.all([read(a), read(b)])
    if ('missing' in left) return left
    if ('missing' in right) return right
    return compareTensors(left, right)
  } catch (error) {
    return { missing: `the comparison failed: ${messageOf(error)}` }
  }
}

/** `f32[2, 8]`. */
export function typeText({ dtype, shape }: Pick<TensorPlace, 'dtype' | 'shape'>): string {
  return `${dtype}[${shape.join(', ')}]`
}
