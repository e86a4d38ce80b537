import type { KnobDescription } from '../../../shared/backend-description.ts'
import type { Knobs } from '../../../shared/condition.ts'
import { messageOf } from '../../../shared/errors.ts'
import type { InstalledDriver } from './index.ts'
import type { SessionOptions } from './onnx/runtime.ts'

const count = { source: 'IF.parallel', pattern: '^[1-9]\\d{0,2}$', override: false, apply: { by: 'call' } } as const

const knobs: readonly KnobDescription[] = [
  {
    ...count,
    name: 'intraOpThreads',
    description: 'How many threads share the work of one operator.',
    values: '1, 2, 4, 8',
  },
  {
    ...count,
    name: 'interOpThreads',
    description: 'How many operators run at a time, where the execution mode lets them.',
    values: '1, 2, 4',
  },
  {
    name: 'graphOptimization',
    description: 'How far the graph is rewritten before it is computed.',
    source: 'IF.compiler',
    pattern: '^(disabled|basic|extended|all)$',
    values: 'disabled, basic, extended, all',
    override: false,
    apply: { by: 'call' },
  },
  {
    name: 'executionMode',
    description: 'Whether operators that do not need each other run at a time.',
    source: 'IF.parallel',
    pattern: '^(sequential|parallel)$',
    values: 'sequential, parallel',
    override: false,
    apply: { by: 'call' },
  },
]

/** ONNX Runtime on the processor: one operator a kernel, in models that are written here. */
export const onnxruntime: InstalledDriver = {
  id: 'onnxruntime',
  driver: (id, folder) => ({
    id,
    title: 'ONNX Runtime',
    kernels: ['sum', 'dot', 'norm2', 'gemv', 'gemm', 'elementary', 'softmax', 'layernorm', 'conv2d'],
    knobs,
    async detect() {
      try {
        const { loadRuntime, versionOf } = await import('./onnx/runtime.ts')
        return { status: 'ready', version: versionOf(loadRuntime(folder)) }
      } catch (error) {
        const add = `bitfleet backends remove ${id} && bitfleet backends add ${id}`
        return { status: 'unavailable', reason: `it cannot be loaded: ${messageOf(error)}`, add }
      }
    },
    async open(asked) {
      const { loadRuntime, versionOf } = await import('./onnx/runtime.ts')
      const { createOnnxKernels } = await import('./onnx/kernels.ts')
      const { readBack } = await import('./onnx/read-back.ts')
      const ort = loadRuntime(folder)
      const options = optionsOf(asked)
      const found = await readBack(ort, options)
      return {
        version: versionOf(ort),
        kernels: createOnnxKernels(ort, options),
        effective: () => Promise.resolve({ ...found, notes: [] }),
        close: () => Promise.resolve(),
      }
    },
  }),
}

/** The processor's provider alone: others choose by what the machine has. */
function optionsOf({ intraOpThreads, interOpThreads, graphOptimization, executionMode }: Knobs): SessionOptions {
  return {
    executionProviders: ['cpu'],
    ...(intraOpThreads === undefined ? {} : { intraOpNumThreads: Number(intraOpThreads) }),
    ...(interOpThreads === undefined ? {} : { interOpNumThreads: Number(interOpThreads) }),
    ...(graphOptimization === undefined ? {} : { graphOptimizationLevel: String(graphOptimization) }),
    ...(executionMode === undefined ? {} : { executionMode: String(executionMode) }),
  }
}
