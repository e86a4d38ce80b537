import { exactOrder } from '../exact-order.ts'
import { createKernelWorkload } from '../kernel-workload.ts'
import { flattened } from '../operand.ts'
import { refuseBeside, strictParams } from '../params.ts'
import { vectorOperand, vectorParams } from './vector.ts'

export const norm2 = createKernelWorkload({
  id: 'reduce.norm2',
  version: 1,
  title: 'Euclidean norm',
  summary:
    'The square root of the sum of squares of a vector, drawn from stream `input` or given. Libraries scale, widen or ' +
    'fuse here in ways of their own.',
  params: strictParams(vectorParams).superRefine(refuseBeside('input', ['n'])),
  kernel: 'norm2',
  correctlyRounded: exactOrder,
  operands: (params, find) => [vectorOperand(params, find)],
  resultShape: () => [],
  compute: (kernels, [x]) => kernels.norm2(flattened(x)),
})
