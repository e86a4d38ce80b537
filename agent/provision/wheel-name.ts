import type { Machine, Package } from './provider.ts'

/** A wheel of Python, pinned by its file name, which says what it is made for, and its SHA-256 in hex. */
export interface Wheel {
  readonly file: string
  readonly sha256: string
  readonly name: string
  readonly version: string
  readonly tags: WheelTags
}

/** What a wheel is made for: `cp311`, `cp311`, `[manylinux_2_28_x86_64]`. Of several platforms each one suffices. */
export interface WheelTags {
  readonly python: string
  readonly abi: string
  readonly platforms: readonly string[]
}

const filePattern =
  /^(?<name>[A-Za-z0-9_.]+)-(?<version>[A-Za-z0-9_.+!]+)(?:-\d\w*)?-(?<python>[a-z0-9_.]+)-(?<abi>[a-z0-9_]+)-(?<platforms>[a-z0-9_.]+)\.whl$/

/**
 * The parts of a wheel's file name; undefined where it is none.
 *
 * @see PyPA, Binary distribution format, file name convention
 */
export function parseWheelName(file: string): Omit<Wheel, 'sha256'> | undefined {
  const found = filePattern.exec(file)?.groups as
    | Record<'name' | 'version' | 'python' | 'abi' | 'platforms', string>
    | undefined
  if (found === undefined) return undefined
  const { name, version, python, abi, platforms } = found
  return { file, name, version, tags: { python, abi, platforms: platforms.split('.') } }
}

/** @param text lines of a file name and a digest */
export function parsePinnedWheels(text: string): Wheel[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [file = '', sha256 = ''] = line.split(' ')
      return { ...(parseWheelName(file) as Omit<Wheel, 'sha256'>), sha256 }
    })
}

const architectures: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }
/** The oldest glibc that the older names of platforms stand for. @see PEP 600, legacy aliases */
const legacyGlibc: Readonly<Record<string, number>> = { manylinux1: 5, manylinux2010: 12, manylinux2014: 17 }

/** Whether a machine's Python takes a wheel. */
export function fits({ python, abi, platforms }: WheelTags, machine: Machine): boolean {
  const pythonFits = python.split('.').includes('py3') || python === machine.python?.tag
  const abiFits = abi === 'none' || abi === machine.python?.tag
  return pythonFits && abiFits && platforms.some((platform) => platform === 'any' || platformFits(platform, machine))
}

function platformFits(tag: string, { platform, arch, glibc }: Machine): boolean {
  const [, kind = '', architecture] = /^(manylinux(?:\d+|_2_\d+))_(x86_64|aarch64)$/.exec(tag) ?? []
  if (platform !== 'linux' || architecture === undefined || architecture !== architectures[arch]) return false
  const oldest = legacyGlibc[kind] ?? Number(kind.split('_')[2])
  return glibc !== undefined && Number(glibc.split('.')[1]) >= oldest
}

export function packageOf({ name, version, file, sha256 }: Wheel): Package {
  return { client: 'pip', name, version, file, integrity: `sha256:${sha256}` }
}

/** How pip is told to fetch this very wheel, whatever Python it runs under. @see PEP 427 and PEP 600 */
export function pipTags({ python, abi, platforms }: WheelTags): string[] {
  const [, version] = /^cp(3\d+)$/.exec(python) ?? []
  const chosen = platforms.includes('any') ? [] : platforms.flatMap((platform) => ['--platform', platform])
  // For every Python 3: then what pip itself runs under is as good as any.
  if (version === undefined) return chosen.length === 0 ? ['--ignore-requires-python'] : ['--abi', abi, ...chosen]
  return ['--implementation', 'cp', '--python-version', version, '--abi', abi, ...chosen]
}
