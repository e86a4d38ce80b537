import { createKernelWorkload } from '../kernel-workload.ts'
import { refuseBeside, strictParams } from '../params.ts'
import { rowsOperand, rowsParams } from './rows.ts'

export const softmax = createKernelWorkload({
  id: 'nn.softmax',
  version: 1,
  title: 'Softmax',
  summary:
    'exp(x − max x) ÷ Σ exp(x − max x) along each row of a matrix, drawn from stream `input` or given. The exponential ' +
    'of the library and its order of addition both show.',
  params: strictParams(rowsParams).superRefine(refuseBeside('input', ['rows', 'n'])),
  kernel: 'softmax',
  operands: (params, find) => [rowsOperand(params, find)],
  resultShape: ([x]) => x.shape,
  compute: (kernels, [x]) => kernels.softmax(x),
})
