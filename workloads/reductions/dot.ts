import { exactOrder } from '../exact-order.ts'
import { createKernelWorkload } from '../kernel-workload.ts'
import { flattened } from '../operand.ts'
import { inputParam, refuseBeside, strictParams } from '../params.ts'
import { secondOperand, vectorOperand, vectorParams } from './vector.ts'

export const dot = createKernelWorkload({
  id: 'reduce.dot',
  version: 1,
  title: 'Dot product',
  summary:
    'Multiplies two vectors, drawn from streams `input` and `input-b` or given, and adds the products. Besides the ' +
    'order of the additions, it shows whether products are rounded before they are added or fused (FMA contraction).',
  params: strictParams({ ...vectorParams, inputB: inputParam.optional() }).superRefine(refuseBeside('input', ['n'])),
  kernel: 'dot',
  correctlyRounded: exactOrder,
  operands(params, find) {
    const first = vectorOperand(params, find)
    return [first, secondOperand(first, params.data, params.inputB, find)]
  },
  resultShape: () => [],
  compute: (kernels, [x, y]) => kernels.dot(flattened(x), flattened(y)),
})
