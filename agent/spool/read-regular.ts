import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { isBitfleetError, messageOf } from '../../shared/errors.ts'

/**
 * All of a file. A pipe or a device in its place is not read, and a link not followed.
 *
 * @throws in words that name what is wrong and not the file
 */
export async function readRegular(path: string | Buffer, maxBytes: number): Promise<Buffer> {
  const found = await lstat(path)
  if (!found.isFile()) throw new Error('it is not a regular file')
  if (found.size > maxBytes) throw new Error(`it has ${found.size} bytes, more than the ${maxBytes} there can be`)
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** Errors that say nothing of a file, only of this moment. */
const passingCodes = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR'])

export function isPassing(error: unknown): boolean {
  return !isBitfleetError(error) && passingCodes.has((error as NodeJS.ErrnoException).code ?? '')
}

/** Why a file is no good, in words that do not name it. */
export function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'it is gone; somebody removed it'
  return isBitfleetError(error) || code === undefined ? messageOf(error) : `it cannot be read (${code})`
}
