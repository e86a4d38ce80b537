import type { ArrayReference } from '../../shared/array-identity.ts'
import type { DataKind } from '../../shared/random/data-kinds.ts'
import type { FloatDType } from '../../shared/tensor.ts'
import { type FindShape, type Operand, drawnOperand, givenOperand } from '../operand.ts'
import { dataParam, dtypeParam, extentParam, inputParam } from '../params.ts'

/** Parameters of a matrix whose rows are computed on one by one. */
export const rowsParams = {
  dtype: dtypeParam,
  rows: extentParam.optional().describe('Number of rows; 64 if left out'),
  n: extentParam.optional().describe('Elements in a row; 1024 if left out'),
  data: dataParam.default('normal'),
  input: inputParam.optional(),
}

export interface RowsParams {
  readonly dtype: FloatDType
  readonly rows?: number | undefined
  readonly n?: number | undefined
  readonly data: DataKind
  readonly input?: ArrayReference | undefined
}

/** [rows, n], drawn from stream `input` or the user's own. */
export function rowsOperand({ dtype, rows, n, data, input }: RowsParams, find: FindShape): Operand {
  return input
    ? givenOperand('input', dtype, input, find, 2)
    : drawnOperand('input', dtype, [rows ?? 64, n ?? 1024], data)
}
