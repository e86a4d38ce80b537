import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../shared/errors.ts'

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
