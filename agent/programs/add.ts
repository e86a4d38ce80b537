import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs'
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { fileOf, type ProgramEntry, programEntrySchema } from './entry.ts'
import { issuesText } from './issues.ts'
import { parseValues } from './knob-values.ts'
import { digestFile } from './pins.ts'
import { writableByOthers } from './writable.ts'

/** What `bitfleet programs add` is told, as it is written. */
export interface AddedProgram {
  readonly id: string
  readonly command: readonly string[]
  readonly directory?: string
  /** NAME=DEFAULT */
  readonly parameters: readonly string[]
  /** NAME=VARIABLE:VALUES */
  readonly knobs: readonly string[]
  /** VARIABLE=VALUE */
  readonly environment: readonly string[]
  /** More files to pin. */
  readonly pins: readonly string[]
}

/** Where a command was written: its folder and the places it finds programs in. */
export interface WrittenAt {
  readonly folder: string
  readonly path: string
}

/**
 * The entry that this makes, with every file of the command pinned as it is now.
 *
 * @returns it, and what its owner should know: of what is not pinned, and of what others can change
 * @throws `usage` for what cannot be listed; `system` for a file that cannot be read
 */
export async function createEntry(
  added: AddedProgram,
  at: WrittenAt,
): Promise<{ entry: ProgramEntry; warnings: string[] }> {
  const directory = added.directory === undefined ? undefined : resolve(at.folder, added.directory)
  if (directory !== undefined && !isFolder(directory)) {
    throw new BitfleetError('usage', `--directory ${directory} is no folder; make it, or leave the option out`)
  }
  checkStart(added.command[0] ?? '', at)
  for (const argument of added.command.slice(1)) checkArgument(argument, directory, at)
  const { files, warnings } = filesOf(added.command, directory)
  for (const pin of added.pins) files.push(resolve(at.folder, pin))
  const parsed = programEntrySchema.safeParse({
    id: added.id,
    command: added.command,
    directory,
    parameters: pairs('--parameter', 'epochs=2', added.parameters, readScalar),
    knobs: added.knobs.map(readKnob),
    environment: pairs('--env', 'OMP_DYNAMIC=FALSE', added.environment, (text) => text),
    pins: {},
  })
  if (!parsed.success) {
    throw new BitfleetError('usage', `program ${added.id}: ${issuesText(parsed.error)}`)
  }
  const entry = await pinned(parsed.data, files)
  const places = directory === undefined ? Object.keys(entry.pins) : [directory, ...Object.keys(entry.pins)]
  return { entry, warnings: [...new Set([...warnings, ...places.flatMap(writableByOthers)])] }
}

/** The same entry, with its files pinned as they are now. */
export async function pinned(
  entry: ProgramEntry,
  files: readonly string[] = Object.keys(entry.pins),
): Promise<ProgramEntry> {
  const pins: Record<string, Digest> = {}
  for (const file of files) pins[file] ??= await digestFile(file)
  return { ...entry, pins }
}

/** @throws `usage`, with the path that is meant where it can be found */
function checkStart(start: string, { path }: WrittenAt): void {
  if (isAbsolute(start)) {
    if (isRunnable(start)) return
    throw new BitfleetError('usage', `${start} is no program that can be started; name one that is there`)
  }
  const found = start.includes('/')
    ? undefined
    : path
        .split(delimiter)
        .map((folder) => join(folder, start))
        .find((candidate) => isAbsolute(candidate) && isRunnable(candidate))
  throw new BitfleetError(
    'usage',
    `the command begins with "${start}", which is no absolute path${found === undefined ? '' : `; here it is ${found}`}`,
  )
}

/** An argument that seems to name a file, and will name none where the program is started. */
function checkArgument(argument: string, directory: string | undefined, { folder }: WrittenAt): void {
  const meant = resolve(folder, argument)
  if (isAbsolute(argument) || !isFile(meant) || (directory !== undefined && isFile(resolve(directory, argument))))
    return
  throw new BitfleetError(
    'usage',
    `"${argument}" is a file here and would be none in the folder that the program is started in; ` +
      `write ${meant}, or --directory ${folder}`,
  )
}

/** The files of a command, and of the interpreter that the first line of a script names. */
function filesOf(command: readonly string[], directory: string | undefined): { files: string[]; warnings: string[] } {
  const warnings: string[] = []
  const files = command
    .map((argument) => fileOf({ directory }, argument))
    .filter((path) => isAbsolute(path) && isFile(path))
  const [start = ''] = command
  const interpreter = interpreterOf(start)
  if (interpreter !== undefined && isFile(interpreter)) files.push(interpreter)
  const finder = [start, interpreter].find((path) => path !== undefined && basename(path) === 'env')
  if (finder !== undefined) {
    warnings.push(
      `${finder} finds the interpreter where the agent's PATH says, so that it is not pinned; ` +
        'name it by its absolute path, before the script',
    )
  }
  return { files, warnings }
}

/** What stands behind `#!` in a file. */
function interpreterOf(path: string): string | undefined {
  try {
    const descriptor = openSync(path, 'r')
    try {
      const first = Buffer.alloc(256)
      const line = first.toString('latin1', 0, readSync(descriptor, first)).split('\n', 1)[0] as string
      return /^#!\s*(\/\S+)/.exec(line)?.[1]
    } finally {
      closeSync(descriptor)
    }
  } catch {
    // What may be run and not read.
    return undefined
  }
}

function pairs<Value>(
  option: string,
  example: string,
  written: readonly string[],
  read: (text: string) => Value,
): Record<string, Value> {
  const found: Record<string, Value> = {}
  for (const pair of written) {
    const [, name, value] = /^([^=]+)=([^]*)$/.exec(pair) ?? []
    if (name === undefined || value === undefined) {
      throw new BitfleetError('usage', `${option} "${pair}" is not NAME=VALUE, such as ${example}`)
    }
    if (name === '__proto__')
      throw new BitfleetError('usage', `${option} cannot be called ${name}; choose another name`)
    if (Object.hasOwn(found, name)) throw new BitfleetError('usage', `${option} gives ${name} twice; keep one`)
    found[name] = read(value)
  }
  return found
}

/** A default as a plan would say it: a number, true or false, else text. */
function readScalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text))
    ? Number(text)
    : text
}

function readKnob(text: string): unknown {
  const [, name, variable, values] = /^([^=]+)=([^:=]+):([^]*)$/.exec(text) ?? []
  if (values === undefined) {
    throw new BitfleetError(
      'usage',
      `--knob "${text}" is not NAME=VARIABLE:VALUES, such as threads=OMP_NUM_THREADS:1..64 or isa=ATEN_CPU_CAPABILITY:default,avx2`,
    )
  }
  return { name, variable, values: parseValues(values) }
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile()
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory()
}

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return isFile(path)
  } catch {
    return false
  }
}
