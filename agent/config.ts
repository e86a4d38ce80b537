import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { BitfleetError } from '../shared/errors.ts'
import { type NetworkSettings, readNetworkSettings } from '../shared/network/settings.ts'
import { readVersion } from './build.ts'

/** What the agent takes from its environment; nothing else of this side reads it. */
export interface AgentConfig {
  /** Folder of all that Bitfleet keeps on this machine. */
  readonly stateRoot: string
  /** The coordinator's token for agents, where the environment brings it. */
  readonly token?: string
  /** ES modules that add this machine's own backends and workloads to its runners: absolute paths. */
  readonly runnerModules: readonly string[]
  /** Folders of installed backends; of two of one id that in the earlier counts. */
  readonly backendFolders: readonly string[]
  /** Files that list this machine's own programs; of two of one id that in the earlier counts. */
  readonly programLists: readonly string[]
  /** `BITFLEET_CA_FILE`, `HTTPS_PROXY` and their like: how the coordinator is reached. */
  readonly network: NetworkSettings
  /** Folder of the runners, in place of where this program looks for them: an absolute path. */
  readonly runnersFolder?: string
  /** Everything the agent was started with; a runner gets only what `runner-environment.ts` lets through. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** @throws `usage` where a setting cannot be meant. */
export function readAgentConfig(environment: Readonly<Record<string, string | undefined>> = process.env): AgentConfig {
  const runnerModules = (environment.BITFLEET_RUNNER_MODULES ?? '').split(delimiter).filter((path) => path !== '')
  for (const path of runnerModules) {
    if (!isAbsolute(path) || !existsSync(path)) {
      throw new BitfleetError(
        'usage',
        `BITFLEET_RUNNER_MODULES names "${path}", which is no file by its absolute path; name ES modules, parted by "${delimiter}"`,
      )
    }
  }
  const runnersFolder = environment.BITFLEET_RUNNERS || undefined
  if (runnersFolder !== undefined && !isAbsolute(runnersFolder)) {
    throw new BitfleetError('usage', `BITFLEET_RUNNERS names "${runnersFolder}"; name the folder by its absolute path`)
  }
  const programs = environment.BITFLEET_PROGRAMS || undefined
  if (programs !== undefined && !isAbsolute(programs)) {
    throw new BitfleetError('usage', `BITFLEET_PROGRAMS names "${programs}"; name the list by its absolute path`)
  }
  const stateRoot = stateRootOf(environment)
  return {
    stateRoot,
    token: environment.BITFLEET_TOKEN,
    runnerModules,
    runnersFolder,
    backendFolders: [backendsOf(stateRoot)],
    programLists: [programs ?? programsOf(stateRoot)],
    network: readNetworkSettings(environment),
    environment,
  }
}

/** Where a state folder keeps its installed backends, as an absolute path. */
export function backendsOf(stateRoot: string): string {
  return join(resolve(stateRoot), 'backends')
}

/** Where a state folder keeps its list of programs, as an absolute path. */
export function programsOf(stateRoot: string): string {
  return join(resolve(stateRoot), 'programs.json')
}

/**
 * The same, with the backends and programs of a state folder that a person named before those of the environment's.
 * `BITFLEET_PROGRAMS` is the one list, whatever the folder.
 */
export function withState(config: AgentConfig, stateRoot: string | undefined): AgentConfig {
  if (stateRoot === undefined) return config
  const named = config.environment.BITFLEET_PROGRAMS ? [] : [programsOf(stateRoot)]
  return {
    ...config,
    stateRoot,
    backendFolders: [backendsOf(stateRoot), ...config.backendFolders],
    programLists: [...named, ...config.programLists],
  }
}

/** `BITFLEET_STATE`, else `bitfleet` under the user's state folder. */
function stateRootOf({ BITFLEET_STATE, XDG_STATE_HOME }: Readonly<Record<string, string | undefined>>): string {
  if (BITFLEET_STATE) return BITFLEET_STATE
  const base = XDG_STATE_HOME && isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), '.local', 'state')
  return join(base, 'bitfleet')
}

/** Name and version of this program, as an agent introduces itself. */
export function readSoftware(): string {
  return `bitfleet ${readVersion()}`
}
