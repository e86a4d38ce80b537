import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'

/** A Python of this machine. */
export interface MachinePython {
  /** Absolute path, no link and no shim. */
  readonly executable: string
  /** Such as `3.11.7`. */
  readonly version: string
  /** What its wheels are named after: `cp311`; with a `t` at the end where it runs without the global lock. */
  readonly tag: string
}

const program = `
import json, sys, sysconfig
name = {"cpython": "cp"}.get(sys.implementation.name, sys.implementation.name)
tag = f"{name}{sys.version_info[0]}{sys.version_info[1]}{'t' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''}"
bits = 64 if sys.maxsize > 2**32 else 32
print(json.dumps({"executable": sys.executable, "version": sys.version.split()[0], "tag": tag, "bits": bits}))
`

/** The Python that installed libraries will run under: `BITFLEET_PYTHON`, else `python3`; undefined where none answers. */
export function findPython(environment: Readonly<Record<string, string | undefined>>): MachinePython | undefined {
  const command = environment.BITFLEET_PYTHON || 'python3'
  const key = `${command}\0${environment.PATH ?? ''}`
  const before = found.get(key)
  if (before !== undefined) return before
  const python = askPython(command, environment)
  if (python !== undefined) found.set(key, python)
  return python
}

/** What answered once; a daemon asks for every job that names a backend it lacks. */
const found = new Map<string, MachinePython>()

function askPython(
  command: string,
  environment: Readonly<Record<string, string | undefined>>,
): MachinePython | undefined {
  const child = spawnSync(command, ['-I', '-c', program], {
    encoding: 'utf8',
    env: { ...environment },
    timeout: 30_000,
  })
  if (child.status !== 0) return undefined
  try {
    const { executable, version, tag, bits } = JSON.parse(child.stdout) as MachinePython & { bits: number }
    return bits === 64 ? { executable: realpathSync(executable), version, tag } : undefined
  } catch {
    return undefined
  }
}
