import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { needs } from './needs.ts'

/** A Python that tests may run: `BITFLEET_TEST_PYTHON`, else python3, with the packages that deploy/tests adds. */
export const python = process.env.BITFLEET_TEST_PYTHON ?? 'python3'

const packages = resolve(import.meta.dirname, '../.test-tools/python')
const environment = { ...process.env, ...(existsSync(packages) ? { PYTHONPATH: packages } : {}) }
const install = 'bash deploy/tests/install.sh'
const has = (module: string) => spawnSync(python, ['-c', `import ${module}`], { env: environment }).status === 0

/** True to skip, said loudly. */
export function withoutPython(name: string): boolean {
  return needs(name, has('hashlib'), `there is no ${python}`, install)
}

/** True to skip, said loudly. */
export function withoutNumpy(name: string): boolean {
  return needs(name, has('numpy'), `there is no ${python} with numpy`, install)
}

/** Runs Python to its end, for at most three minutes. */
export function runPython(argv: readonly string[], { cwd }: { cwd?: string } = {}) {
  return spawnSync(python, argv, { encoding: 'utf8', env: environment, cwd, timeout: 170_000, maxBuffer: 64 << 20 })
}
