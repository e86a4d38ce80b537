import { mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { BitfleetError, messageOf } from './errors.ts'

/**
 * Makes a folder that a person named, and what is above it. A step at a time: where the system takes no folders at all,
 * as below /proc, Node's recursive mkdir tries for ever.
 *
 * @param mode of the folders that are made; one that is there keeps its own
 * @param remedy what to do where it cannot be made
 * @throws `system`
 */
export async function makeFolder(path: string, mode: number, remedy: string): Promise<void> {
  const whole = resolve(path)
  try {
    await make(whole, mode)
  } catch (cause) {
    throw new BitfleetError('system', `the folder ${whole} cannot be made (${messageOf(cause)}); ${remedy}`, { cause })
  }
}

async function make(path: string, mode: number): Promise<void> {
  const error = await mkdir(path, { mode }).then(
    () => undefined,
    (thrown: NodeJS.ErrnoException) => thrown,
  )
  if (error === undefined) return
  if (error.code === 'ENOENT' && dirname(path) !== path) {
    await make(dirname(path), mode)
    // Once, and whatever comes of it: what is above is there now.
    await mkdir(path, { mode }).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'EEXIST') throw thrown
    })
    return
  }
  // Windows and read-only file systems answer otherwise than EEXIST for what is there.
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) throw error
}

/** A file that is renamed or made is there after a power cut only once its folder is on disk too. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
