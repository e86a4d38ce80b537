import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openStore } from './file-store.ts'
import { takeLock } from '../../shared/folder-lock.ts'

/**
 * Throws the index of a store away and makes it again from the journal and the records.
 *
 * @returns how many lines of the journal, runs and agents it was made from
 * @throws `conflict` while a coordinator runs on it; `format`, `digest-mismatch` where the files are damaged
 */
export async function reindexStore(
  dir: string,
  log: (message: string) => void = () => {},
): Promise<{ journal: number; runs: number; agents: number }> {
  // Held while the index is removed; opening takes it anew.
  const unlock = await takeLock(dir, 'stop that coordinator, or choose another folder with --store')
  try {
    await rm(join(dir, 'db'), { recursive: true, force: true })
  } finally {
    await unlock()
  }
  let journal = 0
  const store = await openStore(dir, { log, visit: () => void journal++ })
  try {
    return { journal, runs: (await store.listRuns()).length, agents: (await store.listAgents()).length }
  } finally {
    await store.close()
  }
}
