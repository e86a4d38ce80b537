import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { BitfleetError } from '../../shared/errors.ts'
import { paddedBytes, readTarHeader, tarBlockBytes } from '../../shared/tar.ts'

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
  for (let at = 0; at + tarBlockBytes <= tar.length; ) {
    const header = readTarHeader(tar.subarray(at, at + tarBlockBytes))
    if (header === undefined) break
    const { size, type } = header
    const path = resolve(top, `.${sep}${header.path}`)
    const content = tar.subarray(at + tarBlockBytes, at + tarBlockBytes + size)
    const isOurs = path === top || path.startsWith(top + sep)
    if (!isOurs || content.length !== size || !['0', '5'].includes(type)) {
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
    at += tarBlockBytes + paddedBytes(size)
  }
  if (whole === undefined) throw new BitfleetError('format', `the archive holds no ${last}`)
  await whole()
}
