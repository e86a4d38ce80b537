import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BitfleetError } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'
import { cachedPath } from './fetch.ts'
import { type InstalledEntry, readInstalled } from './installed.ts'
import { openPlace } from './place.ts'

/**
 * Removes an installed backend, and of what was fetched for it all that no other one was made from.
 *
 * @param root absolute path of the folder of backends
 * @throws `not-found` where it is not installed; `conflict` where another process adds or removes it
 */
export async function removeBackend(id: string, root: string): Promise<void> {
  const entries = readInstalled([root])
  const found = entries.find((entry) => entry.id === id)
  if (found === undefined) {
    const there = entries.map((entry) => entry.id).join(', ')
    const fact = there === '' ? 'nothing is installed there' : `installed there: ${there}`
    throw new BitfleetError('not-found', `${id} is not in ${root}; ${fact}`)
  }
  const place = await openPlace(root, id)
  try {
    // Gone by one step: whoever looks sees the whole of it or nothing.
    await rename(place.folder, place.draft)
    await syncFolder(root)
    const kept = new Set(
      cachedOf(
        entries.filter((entry) => entry.id !== id),
        place.cache,
      ),
    )
    for (const path of cachedOf([found], place.cache)) {
      if (!kept.has(path)) await rm(dirname(path), { recursive: true, force: true })
    }
  } finally {
    await place.close()
  }
}

function cachedOf(entries: readonly InstalledEntry[], cache: string): string[] {
  return entries
    .flatMap((entry) => (entry.status === 'installed' ? entry.installed.sources : []))
    .map(({ name, integrity }) => cachedPath(cache, { file: name, integrity }))
}
