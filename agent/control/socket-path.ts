import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, isAbsolute, join, relative } from 'node:path'
import { z } from 'zod'
import { sha256Hex } from '../../shared/digest.ts'

/** Bytes that a socket's path may have: `sun_path` has 108 with the zero on Linux, 104 elsewhere. */
export const maxSocketPathBytes = process.platform === 'linux' ? 107 : 103

export interface SocketPlaces {
  /** The user's folder for sockets. */
  readonly runtimeDir?: string
  /** In place of the system's. */
  readonly temporary?: readonly string[]
}

/**
 * Where an agent's control socket may be, the best place first: in its state folder, else, where that path is too long
 * or its file system takes no sockets, in a folder of this user's for sockets or for temporary files.
 */
export function socketPaths(stateDir: string, { runtimeDir, temporary = [tmpdir(), '/tmp'] }: SocketPlaces) {
  const short = shortName(stateDir)
  const user = process.getuid?.() ?? 0
  return [
    { folder: join(stateDir, 'control'), name: 'socket' },
    ...(runtimeDir === undefined ? [] : [{ folder: join(runtimeDir, 'bitfleet'), name: short }]),
    ...temporary.map((folder) => ({ folder: join(folder, `bitfleet-${user}`), name: short })),
  ].filter(({ folder, name }) => Buffer.byteLength(join(folder, name)) <= maxSocketPathBytes)
}

/** The same by whatever path one comes to the state folder. */
function shortName(stateDir: string): string {
  return `${sha256Hex(realpathSync(stateDir)).slice(0, 16)}.sock`
}

/**
 * Makes a folder that nobody else may look into: what stands in it is nobody else's then.
 *
 * @throws where the name is taken by something else, or by somebody else
 */
export function makePrivateFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const found = lstatSync(folder)
  if (!found.isDirectory()) throw new Error(`${folder} is not a folder`)
  if (process.getuid && found.uid !== process.getuid()) throw new Error(`${folder} belongs to another user`)
  if ((found.mode & 0o077) !== 0) throw new Error(`${folder} is open to other users`)
}

const recordFile = (stateDir: string) => join(stateDir, 'control.json')
const recordSchema = z.object({ socket: z.string() })

/** Notes where the socket is, for those who look for it from the state folder. */
export async function recordSocketPath(stateDir: string, socket: string): Promise<void> {
  const draft = `${recordFile(stateDir)}.new`
  const inside = relative(stateDir, socket)
  const text = JSON.stringify({ socket: inside.startsWith('..') ? socket : inside })
  await writeFile(draft, `${text}\n`, { mode: 0o600 })
  await rename(draft, recordFile(stateDir))
}

export async function forgetSocketPath(stateDir: string): Promise<void> {
  await rm(recordFile(stateDir), { force: true })
}

/** @returns undefined where no agent of this folder has noted one: a copy of the folder has the original's note */
export async function readSocketPath(stateDir: string): Promise<string | undefined> {
  try {
    const { socket } = recordSchema.parse(JSON.parse(await readFile(recordFile(stateDir), 'utf8')))
    if (!isAbsolute(socket)) return join(stateDir, socket)
    return basename(socket) === shortName(stateDir) ? socket : undefined
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
