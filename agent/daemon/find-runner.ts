import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BackendDescription } from '../../shared/backend-description.ts'
import { entryPoint } from '../../shared/entry-point.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { readVersion, singleFile } from '../build.ts'
import type { AgentConfig } from '../config.ts'

// Runners and their libraries install apart from the daemon's single file, so there may be none. An agent without
// runners starts all the same: whoever looks at the fleet then sees it, and why it computes nothing.

/** Where a package of runners has the file to start. */
const mainFile = join('agent', 'runner', 'main.js')

export type FoundRunner = { readonly file: string } | AbsentRunner

/** Why there is none, and the one command that adds it. */
export interface AbsentRunner {
  readonly reason: string
  readonly add: string
}

/**
 * The runner's built file: in the folder that `BITFLEET_RUNNERS` names, else of this very installation, else, for the
 * single file, in the places where packages put it.
 *
 * @throws `usage` where `BITFLEET_RUNNERS` names a folder without runners
 */
export function findRunner({ runnersFolder }: Partial<Pick<AgentConfig, 'runnersFolder'>>): FoundRunner {
  if (runnersFolder !== undefined) {
    const file = join(runnersFolder, mainFile)
    if (existsSync(file)) return checkVersion(runnersFolder, file)
    throw new BitfleetError(
      'usage',
      `BITFLEET_RUNNERS names "${runnersFolder}", where no ${mainFile} is; name a folder of runners, or leave it out`,
    )
  }
  if (singleFile === undefined) return { file: entryPoint(import.meta.url, '../runner/main.ts') }
  const places = runnerPlaces(dirname(fileURLToPath(import.meta.url)))
  const folder = places.find((place) => existsSync(join(place, mainFile)))
  if (folder !== undefined) return checkVersion(folder, join(folder, mainFile))
  return {
    reason: `the runners are not installed: they are in none of ${places.join(', ')}`,
    add: 'apt-get install bitfleet-runners',
  }
}

/** Folders in which the single file looks for runners, best first. @param here its own folder */
export function runnerPlaces(here: string): string[] {
  return [
    ...new Set([
      join(here, 'runners'),
      resolve(here, '..', 'lib', 'bitfleet', 'runners'),
      '/usr/local/lib/bitfleet/runners',
      '/usr/lib/bitfleet/runners',
    ]),
  ]
}

/** The daemon and its runners are one program: the line between them changes with the version. */
function checkVersion(folder: string, file: string): FoundRunner {
  const version = versionOf(folder)
  const own = readVersion()
  if (version === own) return { file }
  return {
    reason: `the runners in ${folder} are ${version ?? 'of no known version'}, this agent is ${own}`,
    add: 'apt-get install bitfleet-agent bitfleet-runners',
  }
}

function versionOf(folder: string): string | undefined {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return undefined
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version
  } catch (cause) {
    throw new BitfleetError('format', `${file} cannot be read: ${messageOf(cause)}; install the runners again`, {
      cause,
    })
  }
}

/** What an agent says of its backends where it has no runners. */
export function describeWithoutRunner(absent: AbsentRunner): BackendDescription[] {
  return (singleFile?.backends ?? []).map(({ id, title, kernels, knobs }) => ({
    ...{ id, title, status: 'unavailable' as const, ...absent },
    kernels: [...kernels],
    knobs: [...knobs],
  }))
}
