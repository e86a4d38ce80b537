import { findEmulator } from './emulator.ts'
import type { Machine } from './provider.ts'
import { findPython } from './python.ts'

/** This machine, as far as packages are made for it. */
export function readMachine(environment: Readonly<Record<string, string | undefined>>): Machine {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: header.glibcVersionRuntime,
    python: findPython(environment),
    arm64: process.platform === 'linux' && process.arch !== 'arm64' ? findEmulator(environment) : undefined,
  }
}
