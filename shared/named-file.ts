import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { BitfleetError, messageOf } from './errors.ts'
import { decodeUtf8 } from './utf8.ts'

/** Node reads no more at once. */
export const maxReadBytes = 2 ** 31 - 1

/**
 * All of a file that a person named. A pipe would be waited for and a device never ends, so neither is read.
 *
 * @param options.title what to call it in an error; its path if left out
 * @param options.maxBytes files over this are refused
 * @throws `not-found`, `limit`; `usage` for a folder, a pipe or a device; `system` where it cannot be read
 */
export async function readNamedFile(
  path: string,
  { title = path, maxBytes = maxReadBytes }: { title?: string; maxBytes?: number } = {},
): Promise<Buffer> {
  const file = await openNamedFile(path, title)
  try {
    const { size } = await file.stat()
    if (size > maxBytes) {
      throw new BitfleetError('limit', `${title} has ${size} bytes; files over ${maxBytes} bytes are not read`)
    }
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** As `readNamedFile`, of a text. @throws `format` also for bytes that are not UTF-8, which would be taken for others */
export async function readNamedText(
  path: string,
  options: { title?: string; maxBytes?: number } = {},
): Promise<string> {
  const bytes = await readNamedFile(path, options)
  try {
    return decodeUtf8(bytes)
  } catch (cause) {
    throw new BitfleetError('format', `${options.title ?? path} is not UTF-8; save it as UTF-8`, { cause })
  }
}

/** @throws as `readNamedFile` for what is not there or is not a file */
export async function checkNamedFile(path: string): Promise<void> {
  const file = await openNamedFile(path, path)
  await file.close()
}

async function openNamedFile(path: string, title: string) {
  // Without O_NONBLOCK, opening a pipe waits for a writer.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENXIO') throw notRegular(title)
    const missing = code === 'ENOENT'
    const fact = missing ? `${title} does not exist` : `cannot read ${title}: ${messageOf(cause)}`
    throw new BitfleetError(missing ? 'not-found' : 'system', fact, { cause })
  })
  try {
    const stat = await file.stat()
    if (stat.isDirectory()) throw new BitfleetError('usage', `${title} is a folder; give a file in it`)
    if (!stat.isFile()) throw notRegular(title)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

function notRegular(title: string): BitfleetError {
  return new BitfleetError('usage', `${title} is a pipe or a device; write what it gives to a file, and name that`)
}
