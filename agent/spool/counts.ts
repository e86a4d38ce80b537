import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseRecordFileName } from './file-name.ts'

export interface SpoolCounts {
  /** Results that wait to be handed in, as far as their files' names say. */
  readonly records: number
  readonly bytes: number
  readonly damaged: number
  readonly refused: number
}

/** What a spool holds, counted from outside: nothing is read, nothing changed. */
export async function countSpool(folder: string): Promise<SpoolCounts> {
  const names = (await list(join(folder, 'results'))).filter((name) => parseRecordFileName(name) !== undefined)
  let bytes = 0
  for (const name of names) {
    bytes += await lstat(join(folder, 'results', name)).then(
      ({ size }) => size,
      () => 0,
    )
  }
  const [damaged, refused] = await Promise.all(['damaged', 'refused'].map((name) => list(join(folder, name))))
  return { records: names.length, bytes, damaged: damaged?.length ?? 0, refused: refused?.length ?? 0 }
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}
