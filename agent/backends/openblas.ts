import type { KnobDescription } from '../../shared/backend-description.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { BackendDriver } from './backend.ts'
import type { CblasDialect } from './native/cblas.ts'
import type { NativeLibrary } from './native/library.ts'

const candidates: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: [
    'libopenblas.so.0',
    'libopenblas.so',
    'libscipy_openblas.so',
    'libopenblas64.so.0',
    'libopenblas64_.so.0',
    'libopenblas64_.so',
    'libscipy_openblas64_.so',
  ],
  darwin: ['/opt/homebrew/opt/openblas/lib/libopenblas.dylib', '/usr/local/opt/openblas/lib/libopenblas.dylib'],
}

const knobs: readonly KnobDescription[] = [
  {
    name: 'coreType',
    description: "Take another processor's kernels. Dies with SIGILL where they need instructions this one lacks.",
    source: 'IF.processor',
    pattern: '^[A-Za-z0-9_]+$',
    values: 'Prescott, Nehalem, Sandybridge, Haswell, SkylakeX, Cooperlake, Zen, NEOVERSEN1, ARMV8',
    override: true,
    apply: { by: 'env', variable: 'OPENBLAS_CORETYPE', template: '%s' },
  },
  {
    name: 'threads',
    description: 'How many threads share the work.',
    source: 'IF.parallel',
    pattern: '^[1-9]\\d{0,3}$',
    values: '1, 2, 4, 8',
    override: false,
    apply: { by: 'env', variable: 'OPENBLAS_NUM_THREADS', template: '%s' },
  },
]

const howToAdd: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'apt-get install libopenblas0-pthread',
  darwin: 'brew install openblas',
}

/** OpenBLAS by the C interface to BLAS. */
export const openblas: BackendDriver = {
  id: 'openblas',
  title: 'OpenBLAS',
  kernels: ['dot', 'norm2', 'gemv', 'gemm'],
  knobs,

  async detect() {
    const found = await find()
    if ('absent' in found) {
      const add = howToAdd[process.platform]
      return { status: 'unavailable', reason: found.absent, ...(add === undefined ? {} : { add }) }
    }
    return { status: 'ready', version: found.config.version }
  },

  async open() {
    const found = await find()
    if ('absent' in found) throw new BitfleetError('unavailable', `openblas: ${found.absent}`)
    const { createCblasKernels } = await import('./native/cblas.ts')
    const { library, dialect, config } = found
    return {
      version: config.version,
      kernels: createCblasKernels(library, dialect),
      effective: () => readBack(found),
      close: () => Promise.resolve(),
    }
  },
}

/** What OpenBLAS says of its own build. */
export interface OpenblasConfig {
  readonly version: string
  /** Build options, in the library's own words, without the version and the core in force. */
  readonly options: string
  readonly integerBits: 32 | 64
  /** Whether it carries kernels of several processors to choose among. */
  readonly dynamic: boolean
}

/** @param text such as `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=64`. */
export function parseOpenblasConfig(text: string, core?: string): OpenblasConfig {
  const words = text.trim().split(/\s+/)
  const version = words[0] === 'OpenBLAS' ? (words[1] ?? 'unknown') : 'unknown'
  const options = words.slice(version === 'unknown' ? 0 : 2).filter((word) => word !== core)
  return {
    version,
    options: options.join(' '),
    integerBits: options.includes('USE64BITINT') ? 64 : 32,
    dynamic: options.includes('DYNAMIC_ARCH'),
  }
}

/** @see openblas cblas.h: `openblas_get_parallel` */
const parallelKinds = ['sequential', 'pthread', 'openmp']

interface Found {
  readonly library: NativeLibrary
  readonly dialect: CblasDialect
  readonly config: OpenblasConfig
}

async function find(): Promise<Found | { readonly absent: string }> {
  const names = candidates[process.platform] ?? []
  const { isLibrary, openLibrary, readString } = await import('./native/library.ts')
  const library = openLibrary(names)
  if (!isLibrary(library)) return { absent: `no OpenBLAS that the dynamic loader finds (${library.absent})` }
  for (const prefix of ['', 'scipy_']) {
    for (const suffix of ['', '64_', '_64']) {
      const text = readString(library, `${prefix}openblas_get_config${suffix}`)
      if (text === undefined || !library.has(`${prefix}cblas_sgemm${suffix}`)) continue
      const config = parseOpenblasConfig(text, readString(library, `${prefix}openblas_get_corename${suffix}`))
      return { library, dialect: { prefix, suffix, integerBits: config.integerBits }, config }
    }
  }
  return { absent: `${library.name} has no openblas_get_config and cblas_sgemm under any name known here` }
}

async function readBack({ library, dialect, config }: Found) {
  const { readInteger, readString } = await import('./native/library.ts')
  const named = (symbol: string) => `${dialect.prefix}${symbol}${dialect.suffix}`
  const core = readString(library, named('openblas_get_corename'))
  const threads = readInteger(library, named('openblas_get_num_threads'))
  const parallel = parallelKinds[readInteger(library, named('openblas_get_parallel')) ?? -1] ?? 'unknown'
  const settings: Record<string, string> = {}
  if (core !== undefined) settings.coreType = core
  if (threads !== undefined) settings.threads = String(threads)
  return {
    settings,
    reasons: {
      coreType: config.dynamic
        ? `OpenBLAS ${config.version} has no such core type here`
        : `OpenBLAS ${config.version} was built for one processor (no DYNAMIC_ARCH)`,
      threads: 'its processors or its build allow no more',
    },
    facts: {
      'lib.openblas.version': config.version,
      'lib.openblas.options': config.options,
      'lib.openblas.core': core ?? 'unknown',
      'lib.openblas.parallel': parallel,
      'lib.openblas.integers': String(config.integerBits),
      'pool.openblas': settings.threads ?? 'unknown',
    },
    notes: [],
  }
}
