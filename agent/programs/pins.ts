import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import type { ProgramEntry } from './entry.ts'

/**
 * The digest of a file, whatever link leads to it.
 *
 * @throws `system` where it cannot be read, or is no regular file
 */
export async function digestFile(path: string): Promise<Digest> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (!(await file.stat()).isFile()) throw new Error('it is not a regular file')
      const hash = createHash('sha256')
      await pipeline(file.createReadStream({ autoClose: false }), hash)
      return `sha256:${hash.digest('hex')}`
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new BitfleetError('system', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

/** The first pinned file that is not what it is pinned as, in one sentence with the remedy; undefined where all are. */
export async function findChangedPin({ id, pins }: Pick<ProgramEntry, 'id' | 'pins'>): Promise<string | undefined> {
  for (const [path, pinned] of Object.entries(pins)) {
    const found = await digestFile(path).catch((error: unknown) => messageOf(error))
    if (found === pinned) continue
    const fact = found.startsWith('sha256:') ? `it is ${found} now` : found
    return (
      `${path} is not the file that program ${id} is listed with: it is pinned as ${pinned}, and ${fact}; ` +
      `put that file back, or list it as it is: bitfleet programs pin ${id}`
    )
  }
  return undefined
}
