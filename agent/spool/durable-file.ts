import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder } from '../../shared/folder.ts'

/** Makes a folder for its owner alone, below one that is there, and has its name on disk. */
export async function makeDurableFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await syncFolder(dirname(path))
}

/**
 * Writes a file that is whole and on disk, under its name, when this resolves. Where it rejects, the name holds what it
 * held before or the new bytes, and nothing else is left.
 *
 * @param drafts folder on the same file system, for the file until it is whole
 * @param mode of the file; left out, its owner's alone
 * @throws what the operating system refuses
 */
export async function writeDurably(drafts: string, path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  const draft = join(drafts, randomUUID())
  const file = await open(draft, 'wx', 0o600)
  try {
    // Whatever the umask.
    if (mode !== 0o600) await file.chmod(mode)
    await file.writeFile(bytes)
    await file.sync()
    await file.close()
    await rename(draft, path)
  } catch (error) {
    await file.close().catch(() => {})
    // So that a draft does not keep the room whose lack it met.
    await rm(draft, { force: true }).catch(() => {})
    throw error
  }
  await syncFolder(dirname(path))
}
