import type { ArrayReference } from '../../shared/array-identity.ts'
import { z } from 'zod'
import { BitfleetError } from '../../shared/errors.ts'
import type { DataKind } from '../../shared/random/data-kinds.ts'
import { type FloatDType, elementCount } from '../../shared/tensor.ts'
import { type Draw, type FindShape, type Operand, drawnOperand, givenOperand } from '../operand.ts'
import { dataParam, dtypeParam, inputParam, maxElements } from '../params.ts'

/** Parameters of one vector of operands. */
export const vectorParams = {
  dtype: dtypeParam,
  n: z.int().min(0).max(maxElements).optional().describe('Number of elements; 1048576 if left out'),
  data: dataParam,
  input: inputParam.optional(),
}

export interface VectorParams {
  readonly dtype: FloatDType
  readonly n?: number | undefined
  readonly data: DataKind
  readonly input?: ArrayReference | undefined
}

/** Drawn from stream `input`, or the user's own array of any shape. */
export function vectorOperand({ dtype, n, data, input }: VectorParams, find: FindShape): Operand {
  return input ? givenOperand('input', dtype, input, find) : drawnOperand('input', dtype, [n ?? 1 << 20], data)
}

/** A second vector as long as the first: drawn from stream `input-b`, or the user's own. */
export function secondOperand(first: Operand, data: Draw, input: ArrayReference | undefined, find: FindShape): Operand {
  if (!input) return drawnOperand('input-b', first.dtype, first.shape, data)
  const second = givenOperand('input-b', first.dtype, input, find)
  if (elementCount(second.shape) !== elementCount(first.shape)) {
    throw new BitfleetError(
      'usage',
      `${input.file} has shape [${second.shape}] and the first operand [${first.shape}]; both need as many elements`,
    )
  }
  return second
}
