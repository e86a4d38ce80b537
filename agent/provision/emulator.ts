import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** What runs programs of another architecture on this machine. */
export interface MachineEmulator {
  /** Absolute path of the emulator. */
  readonly executable: string
  /** Folder that has the other architecture's `lib/`: what the dynamic loader finds there is taken before the machine's own. */
  readonly prefix: string
}

/** Why there is none, and the one command that adds it. */
export interface MissingEmulator {
  readonly missing: string
  readonly add: string
}

const commands = ['qemu-aarch64-static', 'qemu-aarch64']

/** Where Debian's packages of libraries for cross-building put them; `QEMU_LD_PREFIX`, qemu's own variable, names another place. */
const defaultPrefix = '/usr/aarch64-linux-gnu'

/** What Node.js is linked with, and the packages that have it. */
const libraries: readonly (readonly [string, string])[] = [
  ['ld-linux-aarch64.so.1', 'libc6-arm64-cross'],
  ['libc.so.6', 'libc6-arm64-cross'],
  ['libm.so.6', 'libc6-arm64-cross'],
  ['libstdc++.so.6', 'libstdc++6-arm64-cross'],
  ['libgcc_s.so.1', 'libgcc-s1-arm64-cross'],
  ['libatomic.so.1', 'libatomic1-arm64-cross'],
]

/** The emulator of Linux on arm64 and its libraries, or all that is missing of them. */
export function findEmulator(
  environment: Readonly<Record<string, string | undefined>>,
): MachineEmulator | MissingEmulator {
  const folders = (environment.PATH ?? '').split(delimiter).filter(isAbsolute)
  const executable = commands.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
  const named = environment.QEMU_LD_PREFIX ?? ''
  const prefix = isAbsolute(named) ? named : defaultPrefix
  const absent = libraries.filter(([name]) => !existsSync(join(prefix, 'lib', name)))
  if (executable !== undefined && absent.length === 0) return { executable, prefix }
  const packages = new Set([...(executable === undefined ? ['qemu-user-static'] : []), ...absent.map(([, one]) => one)])
  const names = absent.map(([name]) => name).join(', ')
  return {
    missing: [
      ...(executable === undefined ? [`no ${commands.join(' or ')} in PATH`] : []),
      ...(names === '' ? [] : [`no ${names} for arm64 in ${join(prefix, 'lib')}`]),
    ].join(', and '),
    add: `apt-get install ${[...packages].join(' ')}`,
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
