import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * Names of `glibc.cpu.hwcaps`, by CPUID leaf as glibc numbers it (0: leaf 1, 1: leaf 7), register (0–3: EAX to EDX)
 * and bit.
 *
 * @see glibc sysdeps/x86/include/cpu-features.h, and the manual's Hardware Capability Tunables
 */
const featureBits: Readonly<Record<string, string>> = {
  SSE3: '0.2.0',
  SSSE3: '0.2.9',
  FMA: '0.2.12',
  SSE4_1: '0.2.19',
  SSE4_2: '0.2.20',
  MOVBE: '0.2.22',
  POPCNT: '0.2.23',
  OSXSAVE: '0.2.27',
  XSAVE: '0.2.26',
  AVX: '0.2.28',
  F16C: '0.2.29',
  BMI1: '1.1.3',
  HLE: '1.1.4',
  AVX2: '1.1.5',
  BMI2: '1.1.8',
  ERMS: '1.1.9',
  RTM: '1.1.11',
  AVX512F: '1.1.16',
  AVX512DQ: '1.1.17',
  AVX512CD: '1.1.28',
  AVX512BW: '1.1.30',
  AVX512VL: '1.1.31',
  AVX512PF: '1.1.26',
  AVX512ER: '1.1.27',
  LZCNT: '2.2.5',
  FMA4: '2.2.16',
  XSAVEC: '3.0.1',
}
const nameOfBit = new Map(Object.entries(featureBits).map(([name, at]) => [at, name]))

/**
 * What the C library uses of the processor, out of `ld.so --list-diagnostics` (glibc 2.33 and later): names of features
 * in use, `Prefer_…` and the like included; a bit without a name reads `LEAF.REGISTER.BIT`.
 */
export function parseDiagnostics(text: string): Set<string> {
  const used = new Set<string>()
  for (const line of text.split('\n')) {
    const active =
      /^x86\.cpu_features\.features\[0x([0-9a-f]+)\]\.(?:active|usable)\[0x([0-9a-f]+)\]=0x([0-9a-f]+)/.exec(line)
    if (active !== null) {
      const [leaf, register, value] = active.slice(1).map((hex) => Number.parseInt(hex, 16)) as [number, number, number]
      for (let bit = 0; bit < 32; bit++) {
        if (((value >>> bit) & 1) === 0) continue
        const at = `${leaf}.${register}.${bit}`
        used.add(nameOfBit.get(at) ?? at)
      }
    }
    const preferred = /^x86\.cpu_features\.preferred\.(\w+)=0x1$/.exec(line)
    if (preferred !== null) used.add(preferred[1] as string)
  }
  return used
}

/** The difference between two sets of features as the tunable would write it, such as `-AVX2,-FMA`. */
export function formatHwcaps(native: ReadonlySet<string>, used: ReadonlySet<string>): string {
  const off = [...native].filter((name) => !used.has(name)).map((name) => `-${name}`)
  const on = [...used].filter((name) => !native.has(name))
  return [...off.sort(), ...on.sort()].join(',')
}

/**
 * Parts of a request for hwcaps that changed nothing, such as `-FMA_Usable`, a name glibc no longer knows. Something
 * asked for that was so already, like `-AVX512F` on a processor without it, changed nothing either.
 */
export function ineffectiveHwcaps(asked: readonly string[], effective: string): string[] {
  const changed = new Set(effective.split(','))
  return asked.filter((token) => !changed.has(token))
}

/**
 * What `GLIBC_TUNABLES` changed in this very environment: the dynamic loader, started once as this process was and once
 * without it. Undefined where the loader cannot say (before glibc 2.33).
 */
export async function readHwcaps(loader: string): Promise<string | undefined> {
  const run = promisify(execFile)
  const options = { timeout: 5_000, maxBuffer: 1 << 20 }
  try {
    const used = await run(loader, ['--list-diagnostics'], options)
    const native = await run(loader, ['--list-diagnostics'], { ...options, env: {} })
    return formatHwcaps(parseDiagnostics(native.stdout), parseDiagnostics(used.stdout))
  } catch {
    return undefined
  }
}
