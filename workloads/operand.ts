import type { ArrayReference } from '../shared/array-identity.ts'
import { BitfleetError } from '../shared/errors.ts'
import { type DataKind, drawTensor } from '../shared/random/data-kinds.ts'
import { type Stream, createStream } from '../shared/random/stream.ts'
import { type DType, type FloatDType, type Tensor, createTensor, elementCount } from '../shared/tensor.ts'

/** What is known of a user's array before its bytes are: enough for a schema. */
export type FindShape = (array: ArrayReference) => { readonly dtype: DType; readonly shape: readonly number[] }

/** A tensor that a workload computes on. Its checkpoint bears the name of the stream it is drawn from. */
export interface Operand {
  readonly name: string
  readonly dtype: FloatDType
  readonly shape: readonly number[]
  /** Of a user's own array, whose bytes the plan pins. */
  readonly digest?: string
  make(seed: string, input: (array: ArrayReference) => Tensor): Tensor
}

/** A data kind of FORMATS, or a workload's own. */
export type Draw = DataKind | ((dtype: FloatDType, shape: readonly number[], stream: Stream) => Tensor)

/** Drawn from the stream of its name, row by row. */
export function drawnOperand(name: string, dtype: FloatDType, shape: readonly number[], data: Draw): Operand {
  const draw = typeof data === 'function' ? data : drawTensor.bind(undefined, data)
  return { name, dtype, shape, make: (seed) => draw(dtype, shape, createStream(seed, name)) }
}

/**
 * A user's own array.
 *
 * @param rank number of axes it must have; left out, any: the workload reads its elements in C order
 * @throws `usage` if it has another dtype or rank
 */
export function givenOperand(
  name: string,
  dtype: FloatDType,
  pinned: ArrayReference,
  find: FindShape,
  rank?: number,
): Operand {
  const found = find(pinned)
  // numpy has no bfloat16: its patterns come as u16.
  const fits = found.dtype === dtype || (dtype === 'bf16' && found.dtype === 'u16')
  if (!fits) {
    throw new BitfleetError('usage', `${pinned.file} holds ${found.dtype} and dtype is ${dtype}; give the array's own`)
  }
  if (rank !== undefined && found.shape.length !== rank) {
    throw new BitfleetError('usage', `${pinned.file} has shape [${found.shape}] and ${name} must have ${rank} axes`)
  }
  return {
    name,
    dtype,
    shape: found.shape,
    digest: pinned.digest,
    make: (_seed, input) => createTensor(dtype, found.shape, input(pinned).bytes),
  }
}

/** All elements in C order, as a vector. */
export function flattened(tensor: Tensor): Tensor {
  return reshaped(tensor, [elementCount(tensor.shape)])
}

/** The same bytes under another shape of as many elements. */
export function reshaped(tensor: Tensor, shape: readonly number[]): Tensor {
  return createTensor(tensor.dtype, shape, tensor.bytes)
}
