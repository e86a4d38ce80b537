import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { BitfleetError } from '../../../shared/errors.ts'
import type { InstallPlace, KnownAnswer, Machine, Provider, Version } from '../provider.ts'
import { fits, packageOf, parsePinnedWheels, type Wheel } from '../wheel-name.ts'
import { pinnedWheels } from './python-wheels.ts'

/** A version of a library of Python, and all that it imports. */
export interface PythonRelease {
  readonly version: string
  /** `name==version`, as the pinned wheels name them. */
  readonly requirements: readonly string[]
  readonly installedBytes: number
}

export interface PythonLibrary {
  /** As the Python runner names it, and plans before the `@`. */
  readonly id: string
  readonly title: string
  /** Newest first. */
  readonly releases: readonly PythonRelease[]
  readonly answers: readonly KnownAnswer[]
  /** What is left to do once its wheels are in `folder/site`. */
  finish?(place: InstallPlace, python: string): Promise<void>
}

const wheels = parsePinnedWheels(pinnedWheels)

/**
 * Installs a library of Python into a folder of its own, from pinned wheels, for the Python of this machine. Its runner
 * sees that folder and Python's own library, and nothing else that is installed.
 */
export function createPythonProvider({ id, title, releases, answers, finish }: PythonLibrary): Provider {
  return {
    id,
    title,
    answers,
    versions: (machine) => releases.map((release) => versionOf(release, machine)),
    async install(version, place) {
      const { machine, folder, file, run, say } = place
      const python = machine.python?.executable
      if (python === undefined)
        throw new BitfleetError('internal', `${place.id} was chosen for a machine without Python`)
      await mkdir(join(folder, 'bin'))
      // The very Python that its wheels were chosen for, whatever PATH says later.
      await symlink(python, join(folder, 'bin', 'python3'))
      say(`unpacking ${version.packages.length} wheels`)
      const options = ['--quiet', '--no-index', '--no-deps', '--disable-pip-version-check', '--no-warn-script-location']
      await run(
        python,
        [
          ...['-m', 'pip', 'install', ...options, '--root-user-action=ignore', '--target', join(folder, 'site')],
          ...version.packages.map((one) => file(one.file)),
        ],
        { remedy: 'install pip for this Python, such as by `apt-get install python3-pip`' },
      )
      await finish?.(place, python)
      return {
        kind: 'python',
        executable: '{folder}/bin/python3',
        argv: [
          ...['-I', '-S', '-B', '{program}/agent/runners/python/bitfleet_runner.py', id],
          ...['--id', `${id}@${version.id}`, '--site', '{folder}/site'],
        ],
      }
    },
  }
}

function versionOf({ version, requirements, installedBytes }: PythonRelease, machine: Machine): Version {
  const base = { id: version, version, installedBytes }
  const found = requirements.map((requirement) => wheelsOf(requirement).find(({ tags }) => fits(tags, machine)))
  const chosen = found.filter((wheel) => wheel !== undefined)
  if (chosen.length === requirements.length) return { ...base, packages: chosen.map(packageOf) }
  const missing = requirements[found.indexOf(undefined)] as string
  return { ...base, packages: [], unsupported: whyNot(missing, machine) }
}

function wheelsOf(requirement: string): Wheel[] {
  return wheels.filter(({ name, version }) => `${name}==${version}` === requirement)
}

function whyNot(requirement: string, { platform, arch, glibc, python }: Machine): string {
  if (python === undefined) {
    return 'no 64-bit Python answers to python3; install one, from 3.10 on, or name it by BITFLEET_PYTHON'
  }
  const tags = [...new Set(wheelsOf(requirement).map((wheel) => `${wheel.tags.python} ${wheel.tags.platforms.at(-1)}`))]
  const here = `${python.tag} on ${platform} ${arch}${glibc === undefined ? ' without glibc' : ` with glibc ${glibc}`}`
  return `${requirement} is pinned for ${tags.join(', ')}, and this is ${here}; BITFLEET_PYTHON names another Python`
}
