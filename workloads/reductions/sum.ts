import { exactOrder } from '../exact-order.ts'
import { createKernelWorkload } from '../kernel-workload.ts'
import { flattened } from '../operand.ts'
import { refuseBeside, strictParams } from '../params.ts'
import { vectorOperand, vectorParams } from './vector.ts'

export const sum = createKernelWorkload({
  id: 'reduce.sum',
  version: 1,
  title: 'Sum',
  summary:
    'Adds the elements of a vector, drawn from stream `input` or given. The result depends on the order of the ' +
    'additions, which the backend chooses: vector width, blocking and threads show here first.',
  params: strictParams(vectorParams).superRefine(refuseBeside('input', ['n'])),
  kernel: 'sum',
  correctlyRounded: exactOrder,
  operands: (params, find) => [vectorOperand(params, find)],
  resultShape: () => [],
  compute: (kernels, [x]) => kernels.sum(flattened(x)),
})
