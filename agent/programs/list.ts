import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { makeFolder } from '../../shared/folder.ts'
import { visibleLine } from '../../shared/visible.ts'
import { writeDurably } from '../spool/durable-file.ts'
import { type ProgramEntry, programEntrySchema } from './entry.ts'
import { issuesText } from './issues.ts'

// `programs.json`: what a machine's owner lets plans run there. Nothing that comes from a coordinator can add to it.

const schema = 'bitfleet/programs@1'
const maxBytes = 4 << 20

const listSchema = z.strictObject({
  schema: z.literal(schema),
  programs: z.array(z.looseObject({ id: z.string({ error: 'an entry has an id' }) })).max(1000),
})

/**
 * The programs of a list, in its order; none where there is no such file.
 *
 * @param file its path
 * @throws `refused` where others could have written it; `usage` naming the entry where something in it cannot be
 */
export function readProgramList(file: string): ProgramEntry[] {
  const text = readGuarded(file)
  if (text === undefined) return []
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new BitfleetError('usage', `${file} is not JSON: ${messageOf(cause)}; correct it`, { cause })
  }
  const list = listSchema.safeParse(value)
  if (!list.success) throw refusal(file, '', list.error)
  const seen = new Set<string>()
  return list.data.programs.map((written) => {
    const id = visibleLine(written.id).slice(0, 100)
    const entry = programEntrySchema.safeParse(written)
    if (!entry.success) throw refusal(file, `program ${id}: `, entry.error)
    if (seen.has(id)) throw new BitfleetError('usage', `${file}: program ${id} is listed twice; keep one`)
    seen.add(id)
    return entry.data
  })
}

function refusal(file: string, entry: string, error: z.ZodError): BitfleetError {
  return new BitfleetError('usage', `${file}: ${entry}${issuesText(error)}`)
}

/** The text of a list that nobody but root and this process's user can have written. */
function readGuarded(file: string): string | undefined {
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    // The folder that `programs add` makes is its user's alone, and an agent may be another.
    const remedy = code === 'EACCES' ? '; let this user read it, and pass the folders above it' : ''
    throw new BitfleetError('system', `the list of programs cannot be read: ${messageOf(cause)}${remedy}`, { cause })
  }
  try {
    const { mode, size, uid, ...stat } = fstatSync(descriptor)
    const refuse = (fact: string, remedy: string): never => {
      throw new BitfleetError('refused', `the list of programs ${file} ${fact}; ${remedy}`)
    }
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) refuse('is no regular file', 'put one in its place')
    const user = process.getuid?.()
    if (user !== undefined && uid !== 0 && uid !== user) {
      refuse(`belongs to user ${uid}, neither to root nor to user ${user}, who runs this`, `chown it to one of them`)
    }
    if ((mode & 0o022) !== 0) {
      const who = (mode & 0o002) === 0 ? `group ${stat.gid}` : 'everybody'
      refuse(`can be written by ${who}, who could have put any program into it`, `look at it, then chmod go-w ${file}`)
    }
    if (size > maxBytes) refuse(`has ${size} bytes, more than ${maxBytes}`, 'make it shorter')
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Puts a list in the place of another; it is whole and on disk when this resolves.
 *
 * @throws `system`
 */
export async function writeProgramList(file: string, programs: readonly ProgramEntry[]): Promise<void> {
  const path = resolve(file)
  await makeFolder(dirname(path), 0o700, 'name another state folder')
  const bytes = new TextEncoder().encode(`${JSON.stringify({ schema, programs }, null, 2)}\n`)
  try {
    // For others to read: an agent may be another user than who lists its programs.
    await writeDurably(dirname(path), path, bytes, 0o644)
  } catch (cause) {
    throw new BitfleetError('system', `${path} cannot be written: ${messageOf(cause)}`, { cause })
  }
}

/** A listed program, and the list it stands in. */
export interface Listed {
  readonly file: string
  readonly entry: ProgramEntry
}

/** The programs of several lists; of two of one id that of the earlier list counts. */
export function readPrograms(files: readonly string[]): Listed[] {
  const found = new Map<string, Listed>()
  for (const file of files) {
    for (const entry of readProgramList(file)) if (!found.has(entry.id)) found.set(entry.id, { file, entry })
  }
  return [...found.values()]
}
