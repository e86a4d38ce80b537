import { BitfleetError } from '../../shared/errors.ts'
import { exactOrder } from '../exact-order.ts'
import { createKernelWorkload } from '../kernel-workload.ts'
import { drawnOperand, givenOperand } from '../operand.ts'
import { dataParam, dtypeParam, extentParam, inputParam, refuseBeside, strictParams } from '../params.ts'

const params = strictParams({
  dtype: dtypeParam,
  m: extentParam.optional().describe('Rows of the first matrix; n if left out'),
  k: extentParam.optional().describe('Columns of the first and rows of the second; n if left out'),
  n: extentParam.optional().describe('Columns of the second; 128 if left out'),
  data: dataParam,
  input: inputParam.optional(),
  inputB: inputParam.optional(),
})

export const gemm = createKernelWorkload({
  id: 'linalg.gemm',
  version: 1,
  title: 'Matrix times matrix',
  summary:
    'Multiplies a matrix [m, k], drawn from stream `input` row by row or given, with a matrix [k, n] of stream ' +
    '`input-b` or given. Blocking, vector width and FMA contraction of the library decide the last bits.',
  params: params.superRefine(refuseBeside('input', ['m', 'k'])).superRefine(refuseBeside('inputB', ['n', 'k'])),
  kernel: 'gemm',
  correctlyRounded: exactOrder,
  operands({ dtype, m, k, n = 128, data, input, inputB }, find) {
    const given = inputB && givenOperand('input-b', dtype, inputB, find, 2)
    const a = input
      ? givenOperand('input', dtype, input, find, 2)
      : drawnOperand('input', dtype, [m ?? n, given?.shape[0] ?? k ?? n], data)
    const depth = a.shape[1] as number
    const b = given ?? drawnOperand('input-b', dtype, [depth, n], data)
    if (b.shape[0] !== depth) {
      throw new BitfleetError('usage', `the first matrix has ${depth} columns and the second ${b.shape[0]} rows`)
    }
    return [a, b]
  },
  resultShape: ([a, b]) => [a.shape[0] as number, b.shape[1] as number],
  compute: (kernels, [a, b]) => kernels.gemm(a, b),
})
