import { BitfleetError } from '../../shared/errors.ts'
import { exactOrder } from '../exact-order.ts'
import { createKernelWorkload } from '../kernel-workload.ts'
import { drawnOperand, givenOperand } from '../operand.ts'
import { dataParam, dtypeParam, extentParam, inputParam, refuseBeside, strictParams } from '../params.ts'

const params = strictParams({
  dtype: dtypeParam,
  m: extentParam.optional().describe('Rows; as many as columns if left out'),
  n: extentParam.optional().describe('Columns; 256 if left out'),
  data: dataParam,
  input: inputParam.optional(),
  inputB: inputParam.optional(),
})

export const gemv = createKernelWorkload({
  id: 'linalg.gemv',
  version: 1,
  title: 'Matrix times vector',
  summary:
    'Multiplies a matrix [m, n], drawn from stream `input` row by row or given, with a vector [n] of stream ' +
    '`input-b` or given. Each element of the result is a dot product; libraries choose their order by shape.',
  params: params.superRefine(refuseBeside('input', ['m', 'n'])),
  kernel: 'gemv',
  correctlyRounded: exactOrder,
  operands({ dtype, m, n = 256, data, input, inputB }, find) {
    const a = input ? givenOperand('input', dtype, input, find, 2) : drawnOperand('input', dtype, [m ?? n, n], data)
    const columns = a.shape[1] as number
    const x = inputB ? givenOperand('input-b', dtype, inputB, find, 1) : drawnOperand('input-b', dtype, [columns], data)
    if (x.shape[0] !== columns) {
      throw new BitfleetError('usage', `the vector has ${x.shape[0]} elements and the matrix ${columns} columns`)
    }
    return [a, x]
  },
  resultShape: ([a]) => [a.shape[0] as number],
  compute: (kernels, [a, x]) => kernels.gemv(a, x),
})
