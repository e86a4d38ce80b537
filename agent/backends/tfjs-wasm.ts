import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { BackendDriver } from './backend.ts'
import { createSubstitutions } from './substitutions.ts'
import { createTfjsKernels, tfjsKernelNames } from './tfjs/kernels.ts'
import { type TfjsLibrary, detectTfjs, openTfjs } from './tfjs/library.ts'
import { hasWasmSimd, watchInstantiation } from './tfjs/web-assembly.ts'

const packageName = '@tensorflow/tfjs-backend-wasm'

/** The modules that the package ships for one thread. */
const modules = { plain: 'tfjs-backend-wasm.wasm', simd: 'tfjs-backend-wasm-simd.wasm' } as const

/** XNNPACK and tfjs's own kernels, compiled to WebAssembly. */
export const tfjsWasm: BackendDriver = {
  id: 'tfjs-wasm',
  title: 'TensorFlow.js on WebAssembly',
  kernels: [...tfjsKernelNames, 'tfjs'],
  knobs: [
    {
      name: 'variant',
      description: 'which of the compiled modules is loaded: without or with 128-bit vector instructions',
      source: 'IF.processor',
      pattern: '^(plain|simd)$',
      values: 'plain, simd',
      override: true,
      apply: { by: 'call' },
    },
    {
      name: 'threads',
      description: 'size of the thread pool; in Node the threaded module does not start, so that one thread computes',
      source: 'IF.parallel',
      pattern: '^[1-9][0-9]{0,2}$',
      values: 'a whole number from 1',
      override: false,
      apply: { by: 'call' },
    },
  ],
  async detect() {
    return detectTfjs(packageName)
  },
  async open({ variant }) {
    if (variant === 'simd' && !hasWasmSimd()) {
      throw new BitfleetError('unavailable', 'tfjs-wasm: variant simd needs WebAssembly SIMD; choose plain')
    }
    const wasm = await import('@tensorflow/tfjs-backend-wasm')
    const opened: TfjsLibrary[] = []
    const instantiated = await watchInstantiation(async () => {
      opened.push(
        await openTfjs(
          'wasm',
          async () => wasm,
          (tf) => {
            tf.env().set('WASM_HAS_SIMD_SUPPORT', variant === undefined ? hasWasmSimd() : variant === 'simd')
            // Node refuses the worker that the threaded module starts from a blob, and tfjs would fall back to `cpu`.
            tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
          },
        ),
      )
    })
    const library = opened[0] as TfjsLibrary
    const digest = digestOf(instantiated[0] ?? new Uint8Array())
    const loaded = variantOf(digest)
    const pool = wasm.getThreadsCount()
    const substitutions = createSubstitutions()
    const reasons = {
      threads: 'Node cannot start the worker of the threaded module',
      variant: 'tfjs-wasm loaded another of its modules',
    }
    return {
      version: library.facts['lib.tfjs-backend-wasm.version'] as string,
      kernels: createTfjsKernels(library.tf, 'wasm', false, substitutions),
      tf: library.tf,
      async effective() {
        const settings: Record<string, string> = { threads: String(pool) }
        if (loaded !== undefined) settings.variant = loaded
        const facts = { ...library.facts, 'lib.tfjs-backend-wasm.digest': digest, 'pool.tfjs-wasm': String(pool) }
        return { settings, reasons, facts, notes: substitutions.notes() }
      },
      async close() {
        library.close()
      },
    }
  },
}

/** The name of the shipped module that has these bytes; undefined if none has. */
function variantOf(digest: Digest): string | undefined {
  const require = createRequire(import.meta.url)
  const found = Object.entries(modules).find(
    ([, file]) => digestOf(readFileSync(require.resolve(`${packageName}/dist/${file}`))) === digest,
  )
  return found?.[0]
}
