import { dirname } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { BitfleetError } from '../../shared/errors.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import { visibleLine } from '../../shared/visible.ts'
import { type AgentConfig, readAgentConfig, withState } from '../config.ts'
import { createEntry, pinned } from '../programs/add.ts'
import { describeKnobs, type ProgramEntry, programVersion } from '../programs/entry.ts'
import { readProgramList, readPrograms, writeProgramList } from '../programs/list.ts'
import { digestFile, findChangedPin } from '../programs/pins.ts'

export interface ListOptions {
  /** In place of `BITFLEET_STATE`. */
  readonly state?: string
}

/** `bitfleet programs`: what is listed here, its files, and whether they are what they are pinned as. */
export async function listPrograms({ state, json }: ListOptions & { json?: boolean }): Promise<number> {
  const { programLists } = withState(readAgentConfig(), state)
  const rows = await Promise.all(
    readPrograms(programLists).map(async ({ file, entry }) => ({
      ...entry,
      list: file,
      version: programVersion(entry),
      changed: (await findChangedPin(entry)) ?? null,
      files: await Promise.all(
        Object.entries(entry.pins).map(async ([path, digest]) => ({
          path,
          pinned: digest,
          sound: (await digestFile(path).catch(() => undefined)) === digest,
        })),
      ),
    })),
  )
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
    return 0
  }
  if (rows.length === 0) {
    process.stderr.write(`no program is listed in ${programLists.join(' or ')}; bitfleet programs add lists one\n`)
  }
  for (const row of rows) {
    const state = row.changed === null ? 'sound' : 'changed'
    process.stdout.write(
      [
        `${row.id}  ${row.version}  ${state}`,
        `  ${row.command.map(shellWord).join(' ')}`,
        ...(row.directory === undefined ? [] : [`  in ${row.directory}`]),
        ...Object.entries(row.parameters).map(([name, value]) => `  parameter ${name}: ${JSON.stringify(value)}`),
        ...describeKnobs(row).map(({ name, values, apply }) => {
          return `  knob ${row.id.split('@')[0]}.${name}: ${values}${apply.by === 'env' ? `, sets ${apply.variable}` : ''}`
        }),
        ...Object.entries(row.environment).map(([name, value]) => `  variable ${name}=${value}`),
        ...row.files.map(({ path, pinned: digest, sound }) => `  ${sound ? 'sound  ' : 'changed'} ${digest}  ${path}`),
        ...(row.changed === null ? [] : [`  → ${row.changed}`]),
      ]
        .map((line) => `${line.startsWith(' ') ? `  ${visibleLine(line)}`.slice(0, 2000) : visibleLine(line)}\n`)
        .join(''),
    )
  }
  return 0
}

export interface AddOptions extends ListOptions {
  readonly directory?: string
  readonly parameter: readonly string[]
  readonly knob: readonly string[]
  readonly env: readonly string[]
  readonly pin: readonly string[]
  /** Put it in the place of one of the same name. */
  readonly replace?: boolean
}

/** `bitfleet programs add NAME -- COMMAND…`: on standard output the list it stands in. */
export async function programsAdd(id: string, command: readonly string[], options: AddOptions): Promise<number> {
  const config = withState(readAgentConfig(), options.state)
  const { entry, warnings } = await createEntry(
    {
      ...{ id, command, directory: options.directory, parameters: options.parameter },
      ...{ knobs: options.knob, environment: options.env, pins: options.pin },
    },
    { folder: process.cwd(), path: config.environment.PATH ?? '' },
  )
  await change(config, (programs, file) => {
    const place = programs.findIndex((other) => other.id === id)
    if (place >= 0 && !options.replace) {
      throw new BitfleetError(
        'conflict',
        `program ${id} is in ${file} already; add it with --replace, or remove it: bitfleet programs remove ${id}`,
      )
    }
    return place < 0 ? [...programs, entry] : programs.with(place, entry)
  })
  for (const warning of warnings) process.stderr.write(`${warning}\n`)
  const files = Object.keys(entry.pins)
  process.stderr.write(
    `${id} is listed, version ${programVersion(entry)}; pinned: ${files.length === 0 ? 'nothing' : files.join(', ')}; ` +
      'an agent that runs offers it once it is started again\n',
  )
  return 0
}

/** `bitfleet programs pin NAME`: its files are taken as they are now. */
export async function programsPin(id: string, { state }: ListOptions): Promise<number> {
  let version = ''
  await change(withState(readAgentConfig(), state), async (programs, file) => {
    const place = indexOf(programs, id, file)
    const entry = await pinned(programs[place] as ProgramEntry)
    version = programVersion(entry)
    return programs.with(place, entry)
  })
  process.stderr.write(`${id} is listed as its files are now, version ${version}\n`)
  return 0
}

/** `bitfleet programs remove NAME` */
export async function programsRemove(id: string, { state }: ListOptions): Promise<number> {
  await change(withState(readAgentConfig(), state), (programs, file) =>
    programs.toSpliced(indexOf(programs, id, file), 1),
  )
  process.stderr.write(`${id} is listed no more; from now on agents here run it for nobody\n`)
  return 0
}

function indexOf(programs: readonly ProgramEntry[], id: string, file: string): number {
  const place = programs.findIndex((entry) => entry.id === id)
  if (place >= 0) return place
  const there = programs.length === 0 ? 'none' : programs.map((entry) => entry.id).join(', ')
  throw new BitfleetError('not-found', `no program ${visibleLine(id)} is in ${file}; there is ${there}`)
}

/** Changes the first of the lists; of two commands at a time, one is refused. */
async function change(
  { programLists }: AgentConfig,
  make: (programs: ProgramEntry[], file: string) => ProgramEntry[] | Promise<ProgramEntry[]>,
): Promise<void> {
  const [file] = programLists as readonly [string, ...string[]]
  // Not the folder's own lock, which an agent holds as long as it runs.
  const folder = `${file}.lock`
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const release = await takeLock(folder, 'wait until it is done')
  try {
    await writeProgramList(file, await make(readProgramList(file), file))
  } finally {
    await release()
  }
  process.stdout.write(`${file}\n`)
}

/** An argument as a shell would take it. */
function shellWord(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`
}
