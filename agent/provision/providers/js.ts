import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { BitfleetError } from '../../../shared/errors.ts'
import { unpackTarball } from '../archive.ts'
import type { InstalledRunner } from '../installed.ts'
import { wholeSum } from '../known-answers.ts'
import type { Machine, Package, Provider, Version } from '../provider.ts'

// Node.js as npm has it: the packages of `node`, an executable for each platform. The newest release of each line when
// this list was made; V8's elementary functions are other ones in other lines.

interface Pin {
  readonly line: string
  readonly version: string
  /** Integrity of `node-linux-ARCH`. */
  readonly linux: { readonly x64: string; readonly arm64: string }
}

const pins: readonly Pin[] = [
  {
    line: '26',
    version: '26.10.0',
    linux: {
      x64: 'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
      arm64: 'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
    },
  },
  {
    line: '24',
    version: '24.21.0',
    linux: {
      x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
      arm64: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
    },
  },
  {
    line: '22',
    version: '22.23.3',
    linux: {
      x64: 'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
      arm64: 'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
    },
  },
  {
    line: '20',
    version: '20.20.2',
    linux: {
      x64: 'sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
      arm64: 'sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==',
    },
  },
]

const oldestGlibc = 28

/**
 * What the runner calls the C library with, for arm64: Bitfleet's own copy is for the machine it was installed on. Its
 * version is that of `koffi` in package.json.
 */
const foreignCalls: Package = {
  client: 'npm',
  name: '@koromix/koffi-linux-arm64',
  version: '3.3.4',
  file: 'koromix-koffi-linux-arm64-3.3.4.tgz',
  integrity: 'sha512-k6FPjEYDioyVihUqvRFX4QZK0RL/Rrn4xPEzrKxODxgLAUXlhBTut391zPzgsMcArXgN4YTuS11M/kxmA5s+Fg==',
}

/** The reference backend under other versions of Node.js, that is of V8, and under those for another processor. */
export const js: Provider = {
  id: 'js',
  title: 'The reference under a Node.js of its own',
  versions: (machine) => [
    ...pins.map((pin) => versionOf(pin, machine)),
    ...pins.map((pin) => emulatedVersionOf(pin, machine)),
  ],
  async install(version, place) {
    const { folder, file, say, machine } = place
    const [node, calls] = version.packages as [Package, Package | undefined]
    say(`unpacking ${node.file}`)
    await mkdir(join(folder, 'bin'))
    await unpackTarball(file(node.file), folder, (path) =>
      path === 'package/bin/node' ? 'bin/node' : path === 'package/LICENSE' ? 'LICENSE' : undefined,
    )
    const runner: InstalledRunner = {
      kind: 'node',
      executable: '{folder}/bin/node',
      argv: ['{program}/agent/runner/main.js', '--installed', 'js', `js@${version.id}`, '{folder}'],
    }
    if (calls === undefined) return runner
    await unpackTarball(file(calls.file), folder, (path) => path.replace(/^package\//, `node_modules/${calls.name}/`))
    return { ...runner, ...(await emulated(folder, machine)) }
  },
  answers: [wholeSum],
}

/** The emulator and the libraries of this machine: links, so that the folder shows which they are. */
async function emulated(
  folder: string,
  { arm64 }: Machine,
): Promise<Pick<InstalledRunner, 'emulator' | 'environment'>> {
  if (arm64 === undefined || 'missing' in arm64) {
    throw new BitfleetError('internal', 'a version that is emulated was chosen for a machine without an emulator')
  }
  await symlink(arm64.executable, join(folder, 'bin', 'qemu-aarch64'))
  await symlink(arm64.prefix, join(folder, 'arm64'))
  return {
    // Every feature that the emulator has: no library then chooses a code path by what is missing.
    emulator: { executable: '{folder}/bin/qemu-aarch64', argv: ['-L', '{folder}/arm64', '-cpu', 'max'] },
    environment: { NODE_PATH: '{folder}/node_modules' },
  }
}

const packageFor = (arch: string, version: string, integrity: string): Package => {
  const name = `node-linux-${arch}`
  return { client: 'npm', name, version, file: `${name}-${version}.tgz`, integrity }
}

function versionOf({ line, version, linux }: Pin, { platform, arch, glibc }: Machine): Version {
  const integrity = platform === 'linux' ? linux[arch as keyof typeof linux] : undefined
  const base = { id: line, version, installedBytes: 130_000_000 }
  if (integrity === undefined)
    return {
      ...base,
      packages: [],
      unsupported: `it is pinned for Linux on x64 and arm64, and this is ${platform} on ${arch}`,
    }
  if (Number(glibc?.split('.')[1] ?? 0) < oldestGlibc) {
    const found = glibc === undefined ? 'has another C library' : `has glibc ${glibc}`
    return {
      ...base,
      packages: [],
      unsupported: `Node.js needs glibc 2.${oldestGlibc} or newer, and this machine ${found}`,
    }
  }
  return { ...base, packages: [packageFor(arch, version, integrity)] }
}

/** The Node.js for arm64 on another processor. */
function emulatedVersionOf({ line, version, linux }: Pin, { platform, arch, arm64 }: Machine): Version {
  const base = { id: `${line}-arm64`, version, installedBytes: 135_000_000 }
  if (platform === 'linux' && arch === 'arm64') {
    return {
      ...base,
      packages: [],
      unsupported: `this machine is arm64 itself, and js@${line} is that without an emulator`,
    }
  }
  if (arm64 === undefined) {
    return {
      ...base,
      packages: [],
      unsupported: `arm64 is emulated on Linux alone, and this is ${platform} on ${arch}`,
    }
  }
  if ('missing' in arm64) {
    const unsupported = `arm64 is emulated on this machine, and there is ${arm64.missing}`
    return { ...base, packages: [], unsupported, add: arm64.add }
  }
  return { ...base, packages: [packageFor('arm64', version, linux.arm64), foreignCalls] }
}
