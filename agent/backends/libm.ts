import { release } from 'node:os'
import { readFile } from 'node:fs/promises'
import { readdirSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import type { KnobDescription } from '../../shared/backend-description.ts'
import type { Knobs } from '../../shared/condition.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { bytesOf, createTensor, dtypeBytes, type Tensor } from '../../shared/tensor.ts'
import { type Computed, type ElementaryFunction, elementaryFunctions, unsupported } from '../../workloads/kernels.ts'
import type { BackendDriver, Effective } from './backend.ts'
import type { NativeLibrary } from './native/library.ts'
import type { FloatWidth, Scalar } from './native/scalar.ts'

const knobs: readonly KnobDescription[] = [
  {
    name: 'hwcaps',
    description:
      'Hide instructions of the processor from glibc, which then takes the code path of one without them. ' +
      'Read back from the dynamic loader: names it does not know (`-FMA_Usable`) do nothing.',
    source: 'IF.processor',
    pattern: '^-?[A-Za-z0-9_]+(,-?[A-Za-z0-9_]+)*$',
    values: '-FMA; -AVX2,-FMA; -AVX2,-FMA,-FMA4,-AVX',
    override: true,
    apply: { by: 'env', variable: 'GLIBC_TUNABLES', template: 'glibc.cpu.hwcaps=%s' },
  },
]

/** The system's C library: one call of its scalar function an element, on the calling thread. */
export const libm: BackendDriver = {
  id: 'libm',
  title: "the system's C mathematics library",
  kernels: ['elementary'],
  knobs,

  async detect() {
    const found = await find()
    if ('absent' in found) return { status: 'unavailable', reason: found.absent }
    return { status: 'ready', version: found.version }
  },

  async open(asked) {
    const found = await find()
    if ('absent' in found) throw new BitfleetError('unavailable', `libm: ${found.absent}`)
    const elementary = await createElementary(found.library)
    return {
      version: found.version,
      kernels: { elementary },
      effective: () => readBack(found, asked),
      close: () => Promise.resolve(),
    }
  },
}

interface Found {
  readonly library: NativeLibrary
  /** Such as `glibc-2.36`, `musl-1.2.5`, `macos-24.1.0`. */
  readonly version: string
}

async function find(): Promise<Found | { readonly absent: string }> {
  const { isLibrary, openLibrary, readString } = await import('./native/library.ts')
  const { scalarsCrossExactly } = await import('./native/scalar.ts')
  const opened = openOf(openLibrary)
  if (opened === undefined) return { absent: `no C library is known here for ${process.platform}` }
  if (!isLibrary(opened.library)) return { absent: `the C library could not be loaded (${opened.library.absent})` }
  if (!scalarsCrossExactly(opened.library)) {
    return {
      absent: `under the calling convention of ${process.platform} ${process.arch} numbers lose bits on their way`,
    }
  }
  if (opened.version !== undefined) return { library: opened.library, version: opened.version }
  const libc = openLibrary(['libc.so.6'])
  const glibc = isLibrary(libc) ? readString(libc, 'gnu_get_libc_version') : undefined
  return { library: opened.library, version: glibc === undefined ? 'unknown' : `glibc-${glibc}` }
}

/** The library by system; without a version where it says its own. */
function openOf(openLibrary: typeof import('./native/library.ts').openLibrary) {
  if (process.platform === 'darwin') {
    return { library: openLibrary(['/usr/lib/libSystem.B.dylib']), version: `macos-${release()}` }
  }
  if (process.platform !== 'linux') return undefined
  const musl = readdirSync('/lib').find((name) => /^ld-musl-.*\.so\.1$/.test(name))
  const glibc = openLibrary(['libm.so.6'])
  if (!('absent' in glibc) || musl === undefined) return { library: glibc }
  // musl's loader is its C library too; without arguments it prints its version and ends.
  const version = /^Version (\S+)$/m.exec(spawnSync(`/lib/${musl}`, { encoding: 'utf8', timeout: 5_000 }).stderr)?.[1]
  return { library: openLibrary([`/lib/${musl}`]), version: `musl-${version ?? 'unknown'}` }
}

const binary: readonly ElementaryFunction[] = ['pow', 'atan2', 'hypot']

type Call = (x: Scalar, y?: Scalar) => Scalar

/** `exp` for binary64, `expf` for binary32, and so on for every function the library has. */
async function createElementary(library: NativeLibrary) {
  const { createScalar, scalarType } = await import('./native/scalar.ts')
  const functions = { f32: new Map<string, Call>(), f64: new Map<string, Call>() }
  for (const dtype of ['f32', 'f64'] as const) {
    const type = scalarType(dtype)
    for (const name of elementaryFunctions) {
      const symbol = dtype === 'f32' ? `${name}f` : name
      if (!library.has(symbol)) continue
      functions[dtype].set(name, library.bind(symbol, type, binary.includes(name) ? [type, type] : [type]) as Call)
    }
  }

  return (name: ElementaryFunction, x: Tensor, y?: Tensor): Computed => {
    if (x.dtype !== 'f32' && x.dtype !== 'f64') return unsupported(`a C library has no ${name} in ${x.dtype}`)
    const dtype: FloatWidth = x.dtype
    const call = functions[dtype].get(name)
    if (call === undefined) return unsupported(`this C library has no ${name} in ${dtype}`)
    const width = dtypeBytes[dtype]
    const result = new Uint8Array(x.bytes.length)
    const [first, second] = [createScalar(dtype), createScalar(dtype)]
    const [firstBytes, secondBytes] = [bytesOf(first.v), bytesOf(second.v)]
    for (let at = 0; at < result.length; at += width) {
      firstBytes.set(x.bytes.subarray(at, at + width))
      if (y !== undefined) secondBytes.set(y.bytes.subarray(at, at + width))
      const value = y === undefined ? call(first) : call(first, second)
      result.set(bytesOf(value.v), at)
    }
    return createTensor(dtype, x.shape, result)
  }
}

async function readBack({ version }: Found, { hwcaps: asked }: Knobs): Promise<Effective> {
  const { ineffectiveHwcaps, readHwcaps } = await import('./native/glibc-features.ts')
  const loader = /(\/\S*\/ld-(?:linux|\d)\S*)$/m.exec(await readMaps())?.[1]
  const changed = loader === undefined || !version.startsWith('glibc') ? undefined : await readHwcaps(loader)
  const facts: Record<string, string> = { 'lib.libm.version': version }
  if (changed === undefined) {
    const glibc = version.startsWith('glibc')
    const hwcaps = glibc
      ? `${version} cannot list the features it uses`
      : `${version} is not glibc and reads no tunables`
    return { settings: {}, reasons: { hwcaps }, facts, notes: [] }
  }
  const inForce = changed === '' ? 'native' : changed
  facts['lib.libm.hwcaps'] = inForce
  if (asked === undefined) return { settings: { hwcaps: inForce }, facts, notes: [] }
  const tokens = String(asked).split(',')
  const without = ineffectiveHwcaps(tokens, changed)
  // What took, as it was asked for: hiding one feature may bring glibc to give up others, which are a fact.
  const took = tokens.filter((token) => !without.includes(token))
  const hwcaps =
    `${version} does not know ${without.join(',')}, or the processor is like that already; ` +
    `it uses ${changed === '' ? 'all the processor has' : `what "${changed}" leaves`}`
  return {
    settings: { hwcaps: took.length > 0 ? took.join(',') : inForce },
    reasons: { hwcaps },
    facts,
    notes: [],
  }
}

async function readMaps(): Promise<string> {
  try {
    return await readFile('/proc/self/maps', 'utf8')
  } catch {
    return ''
  }
}
