// Environment variables that change what a numeric library computes, without any knob of a plan. The agent passes them on
// to its runners, so every execution says which ones were in force.

export type Environment = Readonly<Record<string, string | undefined>>

/** What a variable chooses. Only a code path changes a condition's label. */
export type VariableKind = 'code path' | 'threads' | 'devices' | 'libraries'

/** Variables that select a code path, and what each does. */
export const codePathVariables: Readonly<Record<string, string>> = {
  OPENBLAS_CORETYPE: 'OpenBLAS takes the kernels of the processor that it names',
  OPENBLAS_L2_SIZE: 'OpenBLAS sizes its blocks for a cache of this size, which may change sums',
  BLIS_ARCH_TYPE: 'BLIS takes the kernels of the processor with this number',
  BLIS_MODEL_TYPE: 'BLIS takes the block sizes of another model of processor',
  NPY_DISABLE_CPU_FEATURES: 'NumPy does not use these instructions',
  NPY_ENABLE_CPU_FEATURES: 'NumPy uses only these instructions beyond its baseline',
  ATEN_CPU_CAPABILITY: 'PyTorch takes its kernels for these vector instructions',
  ONEDNN_MAX_CPU_ISA: 'oneDNN uses no instructions newer than these',
  DNNL_MAX_CPU_ISA: 'oneDNN uses no instructions newer than these',
  ONEDNN_DEFAULT_FPMATH_MODE: 'oneDNN may compute in fewer bits than the operands have',
  DNNL_DEFAULT_FPMATH_MODE: 'oneDNN may compute in fewer bits than the operands have',
  MKL_CBWR: 'MKL takes the code branch that it names',
  MKL_DEBUG_CPU_TYPE: 'MKL takes the code of another processor',
  MKL_ENABLE_INSTRUCTIONS: 'MKL uses no instructions newer than these',
  GLIBC_TUNABLES: 'the C library uses other instructions of the processor',
  TF_ENABLE_ONEDNN_OPTS: 'TensorFlow uses or avoids oneDNN',
  XLA_FLAGS: 'XLA compiles in another way',
  NVIDIA_TF32_OVERRIDE: "NVIDIA's libraries use or avoid TensorFloat-32",
  CUBLAS_WORKSPACE_CONFIG: 'cuBLAS chooses its algorithms by another workspace',
}

/** Variables that size thread pools or place threads. */
export const threadVariables: readonly RegExp[] = [
  /^OMP_\w+$/,
  /^(?:GOMP|KMP)_\w+$/,
  /_NUM_THREADS$/,
  /^TF_NUM_(?:INTRAOP|INTEROP)_THREADS$/,
  /^MKL_DYNAMIC$/,
]

/** Variables that choose devices. */
export const deviceVariables: readonly string[] = [
  'CUDA_VISIBLE_DEVICES',
  'CUDA_DEVICE_ORDER',
  'NVIDIA_VISIBLE_DEVICES',
  'HIP_VISIBLE_DEVICES',
  'ROCR_VISIBLE_DEVICES',
]

/** Variables that choose which shared libraries a process loads. */
export const libraryVariables: readonly string[] = ['LD_LIBRARY_PATH', 'LD_PRELOAD']

/**
 * The part of a variable's value that may change bits: of GLIBC_TUNABLES the tunables `glibc.cpu.*`. Undefined if there
 * is no such part, as in an empty OPENBLAS_CORETYPE.
 */
export function relevantValue(name: string, value: string): string | undefined {
  if (name !== 'GLIBC_TUNABLES') return value === '' && Object.hasOwn(codePathVariables, name) ? undefined : value
  const tunables = value.split(':').filter(isProcessorTunable)
  return tunables.length === 0 ? undefined : tunables.join(':')
}

function isProcessorTunable(tunable: string): boolean {
  return tunable.startsWith('glibc.cpu.')
}

/** What a variable with this value chooses; undefined if it chooses none of these. */
export function classifyVariable(name: string, value: string): VariableKind | undefined {
  if (Object.hasOwn(codePathVariables, name)) {
    return relevantValue(name, value) === undefined ? undefined : 'code path'
  }
  if (threadVariables.some((pattern) => pattern.test(name))) return 'threads'
  if (deviceVariables.includes(name)) return 'devices'
  return libraryVariables.includes(name) ? 'libraries' : undefined
}

/** What a variable does, in words that follow its name and value. */
export function effectOfVariable(name: string, value: string): string | undefined {
  switch (classifyVariable(name, value)) {
    case 'code path':
      return codePathVariables[name]
    case 'threads':
      return 'it sizes or places the threads of libraries, which may change sums'
    case 'devices':
      return 'it chooses the devices that libraries see'
    case 'libraries':
      return 'it chooses which shared libraries are loaded'
    case undefined:
      return undefined
  }
}

/**
 * An environment without the variables that choose a code path or threads. Devices and libraries stay, because the
 * machine may not work without them.
 */
export function cleanEnvironment(environment: Environment): {
  readonly environment: Environment
  readonly removed: Readonly<Record<string, string>>
} {
  const kept: Record<string, string | undefined> = {}
  const removed: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    const kind = value === undefined ? undefined : classifyVariable(name, value)
    if (value === undefined || (kind !== 'code path' && kind !== 'threads')) {
      kept[name] = value
      continue
    }
    removed[name] = relevantValue(name, value) ?? value
    const rest = name === 'GLIBC_TUNABLES' ? value.split(':').filter((tunable) => !isProcessorTunable(tunable)) : []
    if (rest.length > 0) kept[name] = rest.join(':')
  }
  return { environment: kept, removed }
}

/** What `--clean` does to an environment, for a person. */
export function sayCleaned(environment: Environment): string {
  const removed = Object.entries(cleanEnvironment(environment).removed)
  if (removed.length === 0) return '--clean found nothing to remove'
  return `--clean keeps from what computes: ${removed.map(([name, value]) => `${name}=${value}`).join(', ')}`
}

/**
 * Whether a flag of Node makes V8 compile for other instructions, such as `--no-enable-sse4-1`. V8 reads `_` as `-`.
 *
 * @see `node --v8-options`
 */
export function isCodePathFlag(flag: string): boolean {
  return /^--(?:no-?)?(?:enable-(?:s?sse\d(?:-\d)?|sahf|avx\d?|avx-\w+|fma\d?|f16c|bmi\d|lzcnt|popcnt|armv\d|vfp\d|32dregs|neon|sudiv)|arm-arch|mcpu|wasm-simd-ssse3-codegen)(?:=|$)/.test(
    flag.replaceAll('_', '-'),
  )
}
