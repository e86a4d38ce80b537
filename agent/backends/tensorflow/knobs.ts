import type { KnobDescription } from '../../../shared/backend-description.ts'
import { instructionSets } from './onednn.ts'

const count = { pattern: '^[1-9][0-9]{0,2}$', values: '1, 2, 4, 8', override: false } as const
const flag = { pattern: '^(?:true|false)$', values: 'true, false', override: false } as const

/** TensorFlow reads all of these from its environment when it is loaded, also where Python is not there to ask. */
export const tensorflowKnobs: readonly KnobDescription[] = [
  {
    name: 'intraOpThreads',
    description: 'Threads that share the work of one operation; left out, as many as there are processors to run on.',
    source: 'IF.parallel',
    ...count,
    apply: { by: 'env', variable: 'TF_NUM_INTRAOP_THREADS', template: '%s' },
  },
  {
    name: 'interOpThreads',
    description: 'Threads for operations at the same time; operations are made one after another here.',
    source: 'IF.parallel',
    ...count,
    apply: { by: 'env', variable: 'TF_NUM_INTEROP_THREADS', template: '%s' },
  },
  {
    name: 'oneDNN',
    description: "Whether matrix products and convolutions are oneDNN's; else they are Eigen's.",
    source: 'IF.software',
    ...flag,
    apply: { by: 'env', variable: 'TF_ENABLE_ONEDNN_OPTS', template: '%s' },
  },
  {
    name: 'maxIsa',
    description: 'The newest instructions for which oneDNN makes code, as on an older processor.',
    source: 'IF.processor',
    pattern: `^(?:${instructionSets.join('|')})$`,
    values: instructionSets.join(', '),
    override: true,
    apply: { by: 'env', variable: 'ONEDNN_MAX_CPU_ISA', template: '%s' },
  },
  {
    name: 'deterministicOps',
    description: 'Asks operations for results that do not depend on how threads meet; some then end with an error.',
    source: 'IF.parallel',
    ...flag,
    apply: { by: 'env', variable: 'TF_DETERMINISTIC_OPS', template: '%s' },
  },
]

/** What a build for NVIDIA's GPUs takes besides. */
export const tensorflowGpuKnobs: readonly KnobDescription[] = [
  ...tensorflowKnobs,
  {
    name: 'cudnnDeterministic',
    description: 'Asks cuDNN for algorithms without atomics.',
    source: 'IF.parallel',
    ...flag,
    apply: { by: 'env', variable: 'TF_CUDNN_DETERMINISTIC', template: '%s' },
  },
  {
    name: 'cudnnAutotune',
    description: 'Whether cuDNN times its algorithms and takes the fastest.',
    source: 'IF.autotune',
    pattern: '^[01]$',
    values: '0, 1',
    override: false,
    apply: { by: 'env', variable: 'TF_CUDNN_USE_AUTOTUNE', template: '%s' },
  },
  {
    name: 'tf32Override',
    description: 'At 0, no library of NVIDIA rounds operands to TensorFloat-32, whatever TensorFlow asks for.',
    source: 'IF.rounding',
    pattern: '^0$',
    values: '0',
    override: false,
    apply: { by: 'env', variable: 'NVIDIA_TF32_OVERRIDE', template: '%s' },
  },
]
