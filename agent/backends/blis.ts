import type { KnobDescription } from '../../shared/backend-description.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { BackendDriver } from './backend.ts'
import type { NativeLibrary } from './native/library.ts'

const candidates: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ['libblis.so.4', 'libblis.so', 'libblis.so.5', 'libblis-mt.so.4', 'libblis-mt.so'],
  darwin: ['/opt/homebrew/opt/blis/lib/libblis.dylib', '/usr/local/opt/blis/lib/libblis.dylib'],
}

const knobs: readonly KnobDescription[] = [
  {
    name: 'archType',
    description:
      "Take another processor's kernels, by the number this version of BLIS gives it; a name would silently mean 0. " +
      'Aborts where the build lacks them, dies with SIGILL where the processor does.',
    source: 'IF.processor',
    pattern: '^\\d{1,2}$',
    values: 'in BLIS 0.9: 0 skx, 3 haswell, 4 sandybridge, 5 penryn, 6 zen3, 7 zen2, 25 generic',
    override: true,
    apply: { by: 'env', variable: 'BLIS_ARCH_TYPE', template: '%s' },
  },
  {
    name: 'threads',
    description: 'How many threads share the work.',
    source: 'IF.parallel',
    pattern: '^[1-9]\\d{0,3}$',
    values: '1, 2, 4, 8',
    override: false,
    apply: { by: 'env', variable: 'BLIS_NUM_THREADS', template: '%s' },
  },
]

const howToAdd: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'apt-get install libblis4-pthread',
  darwin: 'brew install blis',
}

/** BLIS by the C interface to BLAS. */
export const blis: BackendDriver = {
  id: 'blis',
  title: 'BLIS',
  kernels: ['dot', 'norm2', 'gemv', 'gemm'],
  knobs,

  async detect() {
    const library = await find()
    if ('absent' in library) {
      const add = howToAdd[process.platform]
      return { status: 'unavailable', reason: library.absent, ...(add === undefined ? {} : { add }) }
    }
    return { status: 'ready', version: await readVersion(library) }
  },

  async open(asked) {
    const library = await find()
    if ('absent' in library) throw new BitfleetError('unavailable', `blis: ${library.absent}`)
    if (asked.archType !== undefined && !/^\d{1,2}$/.test(String(asked.archType))) {
      const names = (await readArchitectures(library)).map((name, id) => `${id} ${name}`)
      throw new BitfleetError(
        'usage',
        `blis: archType "${asked.archType}" is a name, which BLIS would silently read as 0; give a number: ${names.join(', ')}`,
      )
    }
    const { createCblasKernels, plainDialect } = await import('./native/cblas.ts')
    const { readInteger } = await import('./native/library.ts')
    const integerBits = readInteger(library, 'bli_info_get_blas_int_type_size', 'int64_t') === 64 ? 64 : 32
    const version = await readVersion(library)
    return {
      version,
      kernels: createCblasKernels(library, { ...plainDialect, integerBits }),
      effective: () => readBack(library, version),
      close: () => Promise.resolve(),
    }
  },
}

async function find(): Promise<NativeLibrary | { readonly absent: string }> {
  const { isLibrary, openLibrary } = await import('./native/library.ts')
  const library = openLibrary(candidates[process.platform] ?? [])
  if (!isLibrary(library)) return { absent: `no BLIS that the dynamic loader finds (${library.absent})` }
  if (!library.has('cblas_sgemm')) return { absent: `${library.name} was built without the C interface to BLAS` }
  return library
}

async function readVersion(library: NativeLibrary): Promise<string> {
  const { readString } = await import('./native/library.ts')
  return readString(library, 'bli_info_get_version_str') ?? 'unknown'
}

/** The architectures this version can name, by number; `generic` is always the last. Few of them are in a build. */
async function readArchitectures(library: NativeLibrary): Promise<string[]> {
  if (!library.has('bli_arch_string')) return []
  const nameOf = library.bind('bli_arch_string', 'const char *', ['int']) as (id: number) => string
  const names: string[] = []
  // Nothing stands after the last: asking further would read beyond the table.
  while (names.at(-1) !== 'generic' && names.length < 64) names.push(nameOf(names.length))
  return names
}

async function readBack(library: NativeLibrary, version: string) {
  const { readInteger } = await import('./native/library.ts')
  // Before it, asking for the architecture aborts the process when BLIS_ARCH_TYPE is set.
  library.bind('bli_init', 'void', [])()
  const id = readInteger(library, 'bli_arch_query_id')
  const arch = id === undefined ? undefined : (await readArchitectures(library))[id]
  const read = readInteger(library, 'bli_thread_get_num_threads', 'int64_t')
  const settings: Record<string, string> = {}
  if (id !== undefined) settings.archType = String(id)
  // -1 is BLIS's way of saying that nobody asked for more than one.
  if (read !== undefined) settings.threads = String(Math.max(1, read))
  return {
    settings,
    reasons: {
      archType:
        id === undefined ? `BLIS ${version} does not tell it` : `in BLIS ${version}, ${id} is ${arch ?? 'unnamed'}`,
      threads: 'this build may have no threads',
    },
    facts: {
      'lib.blis.version': version,
      'lib.blis.arch': arch ?? 'unknown',
      'pool.blis': settings.threads ?? 'unknown',
    },
    notes: [],
  }
}
