import type { BackendDriver } from './backend.ts'
import { createSubstitutions } from './substitutions.ts'
import { createTfjsKernels, tfjsKernelNames } from './tfjs/kernels.ts'
import { detectTfjs, openTfjs } from './tfjs/library.ts'

const packageName = '@tensorflow/tfjs-backend-cpu'

/** tfjs's kernels in JavaScript: sums are made in binary64 and rounded to binary32 where they are stored. */
export const tfjsCpu: BackendDriver = {
  id: 'tfjs-cpu',
  title: 'TensorFlow.js on JavaScript',
  kernels: [...tfjsKernelNames, 'tfjs'],
  knobs: [],
  async detect() {
    return detectTfjs(packageName)
  },
  async open() {
    const library = await openTfjs('cpu', () => import('@tensorflow/tfjs-backend-cpu'))
    const { tf, facts } = library
    const substitutions = createSubstitutions()
    return {
      version: facts['lib.tfjs-backend-cpu.version'] as string,
      kernels: createTfjsKernels(tf, 'cpu', true, substitutions),
      tf,
      async effective() {
        return { settings: {}, facts, notes: substitutions.notes() }
      },
      async close() {
        library.close()
      },
    }
  },
}
