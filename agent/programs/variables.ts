import type { Source } from '../../workloads/sources.ts'

// What is known of environment variables: which of them numeric libraries choose by, and which of them load code.

/** What a variable varies, and whether it takes another processor's code path. */
export interface KnownVariable {
  readonly source: Source['id']
  readonly override?: true
}

const processor: KnownVariable = { source: 'IF.processor', override: true }
const parallel: KnownVariable = { source: 'IF.parallel' }
const autotune: KnownVariable = { source: 'IF.autotune' }
const rounding: KnownVariable = { source: 'IF.rounding' }

/** By name, or by a beginning that ends in `*`; the first that fits counts. */
const known: readonly (readonly [string, KnownVariable])[] = [
  ['ATEN_CPU_CAPABILITY', processor],
  ['OPENBLAS_CORETYPE', processor],
  ['OPENBLAS_L2_SIZE', processor],
  ['BLIS_ARCH_TYPE', processor],
  ['BLIS_MODEL_TYPE', processor],
  ['ONEDNN_MAX_CPU_ISA', processor],
  ['DNNL_MAX_CPU_ISA', processor],
  ['MKL_ENABLE_INSTRUCTIONS', processor],
  ['MKL_CBWR', processor],
  ['NPY_DISABLE_CPU_FEATURES', processor],
  ['NPY_ENABLE_CPU_FEATURES', processor],
  ['GLIBC_TUNABLES', processor],
  ['GALLIUM_OVERRIDE_CPU_CAPS', processor],
  ['TF_ENABLE_ONEDNN_OPTS', autotune],
  ['TF_CUDNN_USE_AUTOTUNE', autotune],
  ['TF_CUDNN_DETERMINISTIC', autotune],
  ['TF_DETERMINISTIC_OPS', autotune],
  ['CUBLAS_WORKSPACE_CONFIG', autotune],
  ['TORCH_BLAS_PREFER_CUBLASLT', autotune],
  ['NVIDIA_TF32_OVERRIDE', rounding],
  ['TORCH_ALLOW_TF32_CUBLAS_OVERRIDE', rounding],
  ['ONEDNN_DEFAULT_FPMATH_MODE', rounding],
  ['DNNL_DEFAULT_FPMATH_MODE', rounding],
  ['XLA_FLAGS', { source: 'IF.compiler' }],
  ['TORCH_COMPILE_DISABLE', { source: 'IF.compiler' }],
  ['PYTHONHASHSEED', { source: 'IF.seed-semantics' }],
  ['CUDA_LAUNCH_BLOCKING', parallel],
  ['OMP_*', parallel],
  ['GOMP_*', parallel],
  ['KMP_*', parallel],
  ['MKL_NUM_THREADS', parallel],
  ['MKL_DYNAMIC', parallel],
  ['OPENBLAS_NUM_THREADS', parallel],
  ['GOTO_NUM_THREADS', parallel],
  ['BLIS_NUM_THREADS', parallel],
  ['NUMEXPR_NUM_THREADS', parallel],
  ['VECLIB_MAXIMUM_THREADS', parallel],
  ['TF_NUM_*', parallel],
  ['TBB_NUM_THREADS', parallel],
]

/** What is known of a variable; of one that nobody knows, that it is software's own. */
export function knownVariable(name: string): KnownVariable {
  const fits = ([key]: readonly [string, KnownVariable]) =>
    key.endsWith('*') ? name.startsWith(key.slice(0, -1)) : key === name
  return known.find(fits)?.[1] ?? { source: 'IF.software' }
}

/** Python's own variables that choose no file and load nothing. */
const harmlessOfPython = new Set([
  'PYTHONHASHSEED',
  'PYTHONOPTIMIZE',
  'PYTHONUTF8',
  'PYTHONMALLOC',
  'PYTHONUNBUFFERED',
  'PYTHONDONTWRITEBYTECODE',
  'PYTHONFAULTHANDLER',
])

/** What dynamic linkers, interpreters and shells read to find or run code, and what looks like a place of some. */
const loading = new RegExp(
  `^(?:${[
    '(?:LD_|DYLD_|PYTHON|PERL|RUBY|GEM_|LUA_|OPENSSL_|OCL_ICD_|VK_|SSL_|BASH|GIT_)\\w*|NODE_(?!RANK$)\\w*',
    'R_(?:LIBS|PROFILE|ENVIRON)\\w*|JULIA_(?:PROJECT|BINDIR)|ZDOTDIR',
    'PATH|ENV|HOME|SHELL|SHELLOPTS|PS4|IFS|PROMPT_COMMAND|LOCPATH|NLSPATH|CLASSPATH|TMPDIR|TERMINFO\\w*|EDITOR|PAGER',
    '(?:JAVA_TOOL|_JAVA|JDK_JAVA)_OPTIONS',
    // Compilers that PyTorch and JAX start while they run.
    'CC|CXX|NVCC\\w*|HIPCC\\w*|OMP_TOOL\\w*|CUDA_INJECTION\\w*',
    '\\w*(?:PATH|_PATHS|_HOME|_DIR|_FILE|_LIBRARY|_LIBRARIES|_PRELOAD|_PLUGINS?|_CONFIG_FILE)',
  ].join('|')})$`,
)

/** Whether a variable may make a process load or run other code: nothing for a plan to choose. */
export function loadsCode(name: string): boolean {
  return loading.test(name) && !harmlessOfPython.has(name)
}
