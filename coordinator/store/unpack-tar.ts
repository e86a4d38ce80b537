import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { BitfleetError } from '../../shared/errors.ts'

const blockBytes = 512

/**
 * Unpacks folders and files of a gzipped ustar archive, for their owner alone. A file is there whole or, after a crash,
 * not known to be: the one that is named last is written last.
 *
 * @throws `format` for anything else in it, and for names that leave the folder
 */
export async function unpackTar(archive: Uint8Array, folder: string, last: string): Promise<void> {
  const top = resolve(folder)
  const tar = gunzipSync(archive)
  let whole: (() => Promise<void>) | undefined
  await mkdir(top, { recursive: true, mode: 0o700 })
  for (let at = 0; at + blockBytes <= tar.length; ) {
    const header = tar.subarray(at, at + blockBytes)
    if (header.every((byte) => byte === 0)) break
    const name = join(textOf(header, 345, 155), textOf(header, 0, 100))
    const size = Number.parseInt(textOf(header, 124, 12).trim(), 8)
    const type = textOf(header, 156, 1) || '0'
    const path = resolve(top, `.${sep}${name}`)
    const content = tar.subarray(at + blockBytes, at + blockBytes + size)
    const isOurs = path === top || path.startsWith(top + sep)
    if (!isOurs || !Number.isSafeInteger(size) || content.length !== size || !['0', '5'].includes(type)) {
      throw new BitfleetError('format', `the archive's entry at byte ${at} is no file or folder of this one's`)
    }
    if (type === '5') await mkdir(path, { recursive: true, mode: 0o700 })
    else {
      const write = async () => {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 })
        await writeFile(path, content, { mode: 0o600 })
      }
      if (path === join(top, last)) whole = write
      else await write()
    }
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes
  }
  if (whole === undefined) throw new BitfleetError('format', `the archive holds no ${last}`)
  await whole()
}

function textOf(header: Uint8Array, at: number, length: number): string {
  const bytes = header.subarray(at, at + length)
  const end = bytes.indexOf(0)
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8')
}
