import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve, sep } from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import { makePrivateFolder, maxSocketPathBytes } from '../control/socket-path.ts'

// The folders that executions work in. They lie under the state folder, on the file system of the cache, so that a
// tensor is moved there and not copied. Programs make Unix sockets among their temporary files, and a socket's path is
// short: if the state folder's path is too long for that, an execution comes to its folder by a short link.

/** The folder of one execution. */
export interface Scratch {
  readonly folder: string
  /** The folder for temporary files in it. No other execution has this path. */
  readonly temporary: string
  /** Why Unix sockets cannot be made there; undefined if they can. */
  readonly limit?: string
  /** @returns why something of it stays; undefined if nothing does */
  remove(): string | undefined
}

/**
 * What programs append to the path of the folder for temporary files: `/pymp-xxxxxxxx/listener-xxxxxxxx` (Python's
 * multiprocessing, which a DataLoader's workers use), `/torch-shm-dir-xxxxxx/manager.sock` (PyTorch).
 */
const socketNameBytes = 40

/**
 * Makes a folder for one execution.
 *
 * @param root  where such folders lie
 * @param short folders in which a link may be made if that path is too long
 * @throws what the file system throws
 */
export function makeScratch(root: string, short: readonly string[] = shortPlaces()): Scratch {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const folder = mkdtempSync(join(resolve(root), 'x-'))
  const link = takesSockets(folder) ? undefined : makeLink(folder, short)
  const way = link ?? folder
  const temporary = temporaryOf(way)
  const bytes = Buffer.byteLength(temporary)
  return {
    folder: way,
    temporary,
    limit: takesSockets(way) ? undefined : `the path of the folder for temporary files, of ${bytes} bytes, is too long`,
    remove() {
      if (link !== undefined) rmSync(link, { force: true })
      return removeScratch(folder)
    },
  }
}

/** Removes what executions of an earlier process left. @returns as `removeScratch` */
export function clearScratch(root: string, short: readonly string[] = shortPlaces()): string | undefined {
  for (const place of short) {
    const folder = linkFolder(place)
    for (const name of namesIn(folder)) {
      const target = targetOf(join(folder, name))
      if (target?.startsWith(`${resolve(root)}${sep}`)) unlinkSync(join(folder, name))
    }
  }
  return removeScratch(root)
}

function temporaryOf(folder: string): string {
  return join(folder, 'tmp')
}

function takesSockets(folder: string): boolean {
  return Buffer.byteLength(temporaryOf(folder)) + socketNameBytes <= maxSocketPathBytes
}

/** Undefined if none of the places has room for a short link that nobody else can change. */
function makeLink(folder: string, short: readonly string[]): string | undefined {
  for (const place of short) {
    const link = join(linkFolder(place), `x-${randomBytes(5).toString('hex')}`)
    if (!takesSockets(link)) continue
    try {
      makePrivateFolder(linkFolder(place))
      symlinkSync(folder, link)
      return link
    } catch {
      // The next place.
    }
  }
  return undefined
}

function shortPlaces(): string[] {
  return [...new Set([tmpdir(), '/tmp'])]
}

/** The user's own folder among temporary files; the agent's control socket may be there, too. */
function linkFolder(place: string): string {
  return join(place, `bitfleet-${process.getuid?.() ?? 0}`)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.startsWith('x-'))
  } catch {
    return []
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}

/**
 * Removes a folder that a program of any kind wrote into: one may leave folders that it made unwritable, as Go's module
 * cache is, or something that outlives it and writes on.
 *
 * @returns why something of it stays; undefined where nothing does
 */
export function removeScratch(folder: string): string | undefined {
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  try {
    remove()
    return undefined
  } catch {
    try {
      openFolders(folder)
      remove()
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }
}

/** Lets the owner write all folders below; links are not followed. */
function openFolders(folder: string): void {
  const waiting = [folder]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    chmodSync(next, 0o700)
    for (const entry of readdirSync(next, { withFileTypes: true })) {
      if (entry.isDirectory()) waiting.push(join(next, entry.name))
    }
  }
}
