import type { KernelName } from '../../workloads/kernels.ts'
import type { BackendDriver } from './backend.ts'
import { jitArguments, readJit } from './js/jit.ts'
import { createKernels } from './js/kernels.ts'
import { createRacingKernels } from './js/racing-kernels.ts'
import { formatOrder, orderPattern, orderValues, parseOrder } from './js/order.ts'

const kernelNames = [
  'sum',
  'dot',
  'norm2',
  'gemv',
  'gemm',
  'elementary',
  'softmax',
  'layernorm',
  'conv2d',
] as const satisfies KernelName[]

/** The reference: IEEE 754 operations in an order that has a name, with the elementary functions of this V8. */
export const js: BackendDriver = {
  id: 'js',
  title: 'Reference in plain JavaScript, with named accumulation orders',
  kernels: kernelNames,
  knobs: [
    {
      name: 'order',
      description: 'Accumulation order of every sum and dot product; sequential if left out',
      source: 'IF.parallel',
      pattern: orderPattern,
      values: orderValues,
      override: false,
      apply: { by: 'call' },
    },
    {
      name: 'jit',
      description: 'How far V8 compiles: not at all, without its optimising compilers, or as it does by default',
      source: 'IF.compiler',
      pattern: '^(default|baseline|off)$',
      values: Object.keys(jitArguments).join(', '),
      override: false,
      apply: { by: 'node-arguments', arguments: jitArguments },
    },
  ],
  async detect() {
    return { status: 'ready', version: process.versions.node }
  },
  async open(knobs) {
    const order = parseOrder(String(knobs.order ?? 'sequential'))
    const kernels = order.kind === 'atomic' ? createRacingKernels(order.count) : createKernels(order)
    return {
      version: process.versions.node,
      kernels,
      async effective() {
        return {
          settings: { order: formatOrder(order), jit: readJit() },
          facts: { 'pool.js': String(order.kind === 'atomic' ? order.count : 1) },
          notes: [],
        }
      },
      async close() {},
    }
  },
}
