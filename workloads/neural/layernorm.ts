import { z } from 'zod'
import { createKernelWorkload } from '../kernel-workload.ts'
import { drawnOperand } from '../operand.ts'
import { refuseBeside, strictParams } from '../params.ts'
import { rowsOperand, rowsParams } from './rows.ts'

const params = strictParams({
  ...rowsParams,
  epsilon: z.number().positive().max(1).default(1e-5).describe('Added to the variance'),
})

export const layernorm = createKernelWorkload({
  id: 'nn.layernorm',
  version: 1,
  title: 'Layer normalisation',
  summary:
    '(x − mean) ÷ √(variance + ε) · gain + bias along each row of a matrix, with the biased variance. The matrix is ' +
    'drawn from stream `input` or given; gain and bias from streams `gain` and `bias`, of the same kind of data. ' +
    'Libraries differ in how they compute the variance, and in what they fuse.',
  params: params.superRefine(refuseBeside('input', ['rows', 'n'])),
  kernel: 'layernorm',
  operands(params, find) {
    const x = rowsOperand(params, find)
    const width = [x.shape[1] as number]
    const { dtype, data } = params
    return [x, drawnOperand('gain', dtype, width, data), drawnOperand('bias', dtype, width, data)]
  },
  resultShape: ([x]) => x.shape,
  compute: (kernels, [x, gain, bias], { epsilon }) => kernels.layernorm(x, gain, bias, epsilon),
})
