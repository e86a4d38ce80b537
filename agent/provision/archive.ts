import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { paddedBytes, readTarHeader, tarBlockBytes, type TarHeader } from '../../shared/tar.ts'

/** Longest list of attributes in front of an entry. */
const maxHeaderBytes = 1 << 20

/**
 * Takes files out of a gzipped tar archive, as npm packs them. Only files: links, devices and whatever else an archive
 * may hold are passed over, and no entry decides by its own name where it goes.
 *
 * @param archive its digest was checked by whoever calls
 * @param place where below `folder` an entry belongs, by the path it has in the archive; undefined passes it over
 * @returns the paths written, below `folder`
 * @throws `format` for what is no such archive; what the operating system refuses
 * @see POSIX.1-2017, pax, ustar interchange format
 */
export async function unpackTarball(
  archive: string,
  folder: string,
  place: (path: string) => string | undefined,
): Promise<string[]> {
  const written: string[] = []
  try {
    await pipeline(createReadStream(archive), createGunzip(), async (pieces: AsyncIterable<Buffer>) => {
      const reader = createReader(pieces)
      let long: string | undefined
      for (let header = await readHeader(reader); header !== undefined; header = await readHeader(reader)) {
        const path = long ?? header.path
        const isExtension = header.type === 'x' || header.type === 'L'
        if (isExtension) {
          if (header.size > maxHeaderBytes) throw broken('an attribute is longer than a name can be')
          const text = (await reader.read(header.size)).toString('utf8')
          long = header.type === 'L' ? text.replace(/\0.*$/s, '') : (paxPath(text) ?? long)
        } else {
          long = undefined
          const target = header.type === '0' ? place(path) : undefined
          if (target === undefined) await reader.skip(header.size)
          else {
            await writeEntry(reader, join(folder, inside(target)), header)
            written.push(target)
          }
        }
        await reader.skip(paddedBytes(header.size) - header.size)
      }
    })
  } catch (cause) {
    if (cause instanceof BitfleetError || /^E[A-Z]+$/.test(String((cause as NodeJS.ErrnoException).code))) throw cause
    throw broken(messageOf(cause), cause)
  }
  return written
}

function broken(fact: string, cause?: unknown): BitfleetError {
  return new BitfleetError('format', `it is no gzipped tar archive that can be read: ${fact}`, { cause })
}

function inside(target: string): string {
  if (target.startsWith('/') || target.split(/[/\\]/).includes('..')) {
    throw broken(`it would leave its folder with ${JSON.stringify(target)}`)
  }
  return target
}

async function writeEntry(reader: Reader, path: string, { size, mode }: TarHeader): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, 'wx', mode & 0o111 ? 0o755 : 0o644)
  try {
    for (let left = size; left > 0; ) {
      const piece = await reader.some(left)
      for (let at = 0; at < piece.byteLength; ) at += (await file.write(piece, at)).bytesWritten
      left -= piece.byteLength
    }
  } finally {
    await file.close()
  }
}

async function readHeader(reader: Reader): Promise<TarHeader | undefined> {
  const header = readTarHeader(await reader.read(tarBlockBytes))
  // Two blocks of zeros end an archive; what follows is padding.
  if (header === undefined) await reader.drain()
  return header
}

/** `LENGTH path=NAME LF` among the records of an extended header. */
function paxPath(text: string): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text)?.[1]
}

interface Reader {
  /** Exactly that many bytes. */
  read(count: number): Promise<Buffer>
  /** Between one byte and that many. */
  some(count: number): Promise<Buffer>
  skip(count: number): Promise<void>
  drain(): Promise<void>
}

function createReader(pieces: AsyncIterable<Buffer>): Reader {
  const iterator = pieces[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  const some = async (count: number) => {
    while (held.byteLength === 0) {
      const next = await iterator.next()
      if (next.done) throw broken('it ends early')
      held = next.value
    }
    const piece = held.subarray(0, count)
    held = held.subarray(piece.byteLength)
    return piece
  }
  const eachOf = async (count: number, take: (piece: Buffer) => void) => {
    for (let left = count; left > 0; ) {
      const piece = await some(left)
      left -= piece.byteLength
      take(piece)
    }
  }
  return {
    some,
    async read(count) {
      const found: Buffer[] = []
      await eachOf(count, (piece) => found.push(piece))
      return Buffer.concat(found)
    },
    skip: (count) => eachOf(count, () => {}),
    async drain() {
      held = Buffer.alloc(0)
      while (!(await iterator.next()).done);
    },
  }
}
