import { dirname } from 'node:path'
import { entryPoint } from '../../shared/entry-point.ts'
import type { AgentConfig } from '../config.ts'
import { type InstalledEntry, type InstalledRunner, readInstalled } from '../provision/installed.ts'

/** How to start a runner; arguments of knobs and the one of a command, such as `describe`, go before and after `argv`. */
export interface RunnerCommand {
  readonly executable: string
  readonly argv: readonly string[]
  /** Set before what the knobs set. */
  readonly environment?: Readonly<Record<string, string>>
}

/** A runner of this machine: the built-in one, which offers what it likes, or that of one installed backend. */
export type Runner =
  | { readonly command: RunnerCommand }
  | { readonly id: string; readonly folder: string; readonly command: RunnerCommand }
  | { readonly id: string; readonly folder: string; readonly broken: string }

/** Where this machine's own backends come from. */
export type RunnerConfig = Pick<AgentConfig, 'runnerModules' | 'environment'> &
  Partial<Pick<AgentConfig, 'backendFolders'>>

/** The built-in runner first, then one for each installed backend. */
export function listRunners({ runnerModules, backendFolders = [] }: RunnerConfig): Runner[] {
  return [{ command: builtInRunner(runnerModules) }, ...readInstalled(backendFolders).map(runnerOf)]
}

/** @param modules this machine's own */
export function builtInRunner(modules: readonly string[]): RunnerCommand {
  return {
    executable: process.execPath,
    argv: [runnerFile(), ...modules.flatMap((file) => ['--module', file])],
  }
}

function runnerOf(entry: InstalledEntry): Runner {
  const { id, folder } = entry
  if (entry.status === 'broken') return { id, folder, broken: entry.reason }
  return { id, folder, command: installedCommand(entry.installed.runner, folder) }
}

/** The command of an installed backend's runner, with absolute paths. */
export function installedCommand(
  { executable, argv, environment = {} }: InstalledRunner,
  folder: string,
): RunnerCommand {
  const program = dirname(dirname(dirname(runnerFile())))
  const place = (text: string) => text.replaceAll('{folder}', () => folder).replaceAll('{program}', () => program)
  return {
    executable: executable === undefined ? process.execPath : place(executable),
    argv: argv.map(place),
    environment: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, place(value)])),
  }
}

function runnerFile(): string {
  return entryPoint(import.meta.url, '../runner/main.ts')
}
