import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { unpackTarball } from '../archive.ts'
import { wholeSum } from '../known-answers.ts'
import type { Machine, Package, Provider, Version } from '../provider.ts'

// Node.js as npm has it: the packages of `node`, an executable for each platform. The newest release of each line when
// this list was made; V8's elementary functions are other ones in other lines.

/** Integrity of `node-linux-ARCH` by version. */
const pins: readonly { line: string; version: string; linux: Readonly<Record<string, string>> }[] = [
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

/** The reference backend under other versions of Node.js, that is of V8. */
export const js: Provider = {
  id: 'js',
  title: 'The reference under a Node.js of its own',
  versions: (machine) => pins.map((pin) => versionOf(pin, machine)),
  async install(version, { folder, file, say }) {
    const [node] = version.packages as [Package]
    say(`unpacking ${node.file}`)
    await mkdir(join(folder, 'bin'))
    await unpackTarball(file(node.file), folder, (path) =>
      path === 'package/bin/node' ? 'bin/node' : path === 'package/LICENSE' ? 'LICENSE' : undefined,
    )
    return {
      kind: 'node',
      executable: '{folder}/bin/node',
      argv: ['{program}/agent/runner/main.js', '--installed', 'js', `js@${version.id}`, '{folder}'],
    }
  },
  answers: [wholeSum],
}

function versionOf({ line, version, linux }: (typeof pins)[number], machine: Machine): Version {
  const { platform, arch, glibc } = machine
  const integrity = platform === 'linux' ? linux[arch] : undefined
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
  const name = `node-linux-${arch}`
  return { ...base, packages: [{ client: 'npm', name, version, file: `${name}-${version}.tgz`, integrity }] }
}
