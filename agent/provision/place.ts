import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../../shared/folder.ts'
import { lockHolder, takeLock } from '../../shared/folder-lock.ts'

// A folder of backends:
//   NAME@VERSION/            one that is whole
//   .work/NAME@VERSION/      the lock of whoever adds or removes it, and what is half made
//   .cache/ALGORITHM-HEX/    files of packages, by their bytes

export interface Place {
  /** Where it stands once it is whole. */
  readonly folder: string
  readonly draft: string
  /** For files while they are fetched, and for what a check leaves. */
  readonly scratch: string
  readonly cache: string
  /** Removes what is half made, and gives the lock back. */
  close(): Promise<void>
}

/**
 * Takes the place of one backend for this process, and removes what was left half made there.
 *
 * @param root absolute path of the folder of backends
 * @throws `conflict` where another process is adding or removing it; `system`
 */
export async function openPlace(root: string, id: string): Promise<Place> {
  const work = join(root, '.work', id)
  await makeFolder(work, 0o700, 'choose another state folder with --state or BITFLEET_STATE')
  const unlock = await takeLock(work, `it is adding or removing ${id}; wait for its end`)
  const place = { folder: join(root, id), draft: join(work, 'draft'), scratch: join(work, 'scratch') }
  const clear = async () => {
    await rm(place.draft, { recursive: true, force: true, maxRetries: 3 })
    await rm(place.scratch, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    await clear()
  } catch (error) {
    await unlock()
    throw error
  }
  return {
    ...place,
    cache: join(root, '.cache'),
    async close() {
      try {
        await clear()
      } finally {
        await unlock()
      }
    },
  }
}

/** Removes what crashes left half made, wherever nobody works. What cannot be removed stays: it is in nobody's way. */
export async function sweepDrafts(roots: readonly string[]): Promise<void> {
  for (const root of roots) {
    for (const id of await readdir(join(root, '.work')).catch(() => [])) {
      const work = join(root, '.work', id)
      const left = await readdir(work).catch(() => [])
      if (!left.some((name) => name === 'draft' || name === 'scratch')) continue
      if ((await lockHolder(work)) !== undefined) continue
      await openPlace(root, id).then(
        (place) => place.close(),
        () => {},
      )
    }
  }
}
