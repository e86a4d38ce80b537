import { dirname } from 'node:path'
import type { AgentConfig } from '../config.ts'
import { type InstalledEntry, type InstalledRunner, readInstalled } from '../provision/installed.ts'
import { runnerVariables } from '../programs/entry.ts'
import { type Listed, readPrograms } from '../programs/list.ts'
import { type AbsentRunner, findRunner } from './find-runner.ts'

/** How to start a runner; `launchOf` puts its parts in their order. */
export interface RunnerCommand {
  readonly executable: string
  /** Arguments to an emulator, which is the executable then; the last is the program that it runs. */
  readonly emulated?: readonly string[]
  readonly argv: readonly string[]
  /** Set before what the knobs set. */
  readonly environment?: Readonly<Record<string, string>>
}

/** A runner of this machine: the built-in one, which offers what it likes, or that of one installed backend or program. */
export type Runner =
  | { readonly command: RunnerCommand }
  | { readonly absent: AbsentRunner }
  | { readonly id: string; readonly folder: string; readonly command: RunnerCommand }
  | { readonly id: string; readonly folder: string; readonly broken: string }
  | { readonly program: string; readonly command: RunnerCommand }
  | { readonly program: string; readonly broken: string; readonly add: string }

/** Where this machine's own backends come from. */
export type RunnerConfig = Pick<AgentConfig, 'runnerModules' | 'environment'> &
  Partial<Pick<AgentConfig, 'backendFolders' | 'programLists' | 'runnersFolder'>>

/**
 * The built-in runner first, then one for each installed backend, then one for each listed program.
 *
 * @throws `usage` where `BITFLEET_RUNNERS` names a folder without runners; what `readProgramList` throws
 */
export function listRunners(config: RunnerConfig): Runner[] {
  const found = findRunner(config)
  const installed = readInstalled(config.backendFolders ?? [])
  const programs = readPrograms(config.programLists ?? [])
  if ('file' in found) {
    const { file } = found
    return [
      { command: builtInRunner(file, config.runnerModules) },
      ...installed.map((entry) => runnerOf(entry, file)),
      ...programs.map((listed) => ({ program: listed.entry.id, command: programCommand(listed, file) })),
    ]
  }
  // Installed libraries are driven by the same runners.
  return [
    { absent: found },
    ...installed.map(({ id, folder }) => ({ id, folder, broken: found.reason })),
    ...programs.map(({ entry }) => ({ program: entry.id, broken: found.reason, add: found.add })),
  ]
}

/** @param file its built file @param modules this machine's own */
export function builtInRunner(file: string, modules: readonly string[]): RunnerCommand {
  return { executable: process.execPath, argv: [file, ...modules.flatMap((module) => ['--module', module])] }
}

function runnerOf(entry: InstalledEntry, runnerFile: string): Runner {
  const { id, folder } = entry
  if (entry.status === 'broken') return { id, folder, broken: entry.reason }
  return { id, folder, command: installedCommand(entry.installed.runner, folder, runnerFile) }
}

/** The program and all its arguments: arguments of knobs go to node, and a command, such as `describe`, comes last. */
export function launchOf(
  { executable, emulated = [], argv }: RunnerCommand,
  { nodeArguments = [], command = [] }: { nodeArguments?: readonly string[]; command?: readonly string[] },
): { readonly executable: string; readonly argv: readonly string[] } {
  return { executable, argv: [...emulated, ...nodeArguments, ...argv, ...command] }
}

function programCommand({ file, entry }: Listed, runnerFile: string): RunnerCommand {
  return {
    executable: process.execPath,
    argv: [runnerFile, '--program', file, entry.id],
    environment: runnerVariables(entry),
  }
}

/** The command of an installed backend's runner, with absolute paths. */
export function installedCommand(
  { executable, argv, environment = {}, emulator }: InstalledRunner,
  folder: string,
  runnerFile: string,
): RunnerCommand {
  const program = programOf(runnerFile)
  const place = (text: string) => text.replaceAll('{folder}', () => folder).replaceAll('{program}', () => program)
  const own = executable === undefined ? process.execPath : place(executable)
  return {
    ...(emulator === undefined
      ? { executable: own }
      : { executable: place(emulator.executable), emulated: [...emulator.argv.map(place), own] }),
    argv: argv.map(place),
    environment: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, place(value)])),
  }
}

/** The folder that `{program}` stands for: of this program's built files, or of a package of runners. */
export function programOf(runnerFile: string): string {
  return dirname(dirname(dirname(runnerFile)))
}
