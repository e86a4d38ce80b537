import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { BitfleetError, messageOf } from '../../shared/errors.ts'

const blockBytes = 512
/** Longest list of attributes in front of an entry. */
const maxHeaderBytes = 1 << 20

interface Header {
  readonly path: string
  readonly type: string
  readonly size: number
  readonly mode: number
}

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
        await reader.skip((blockBytes - (header.size % blockBytes)) % blockBytes)
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

async function writeEntry(reader: Reader, path: string, { size, mode }: Header): Promise<void> {
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

async function readHeader(reader: Reader): Promise<Header | undefined> {
  const block = await reader.read(blockBytes)
  // Two blocks of zeros end an archive; what follows is padding.
  if (block.every((byte) => byte === 0)) {
    await reader.drain()
    return undefined
  }
  const text = (from: number, length: number) => block.toString('utf8', from, from + length).replace(/\0.*$/s, '')
  const octal = (from: number, length: number) => Number.parseInt(text(from, length).trim() || '0', 8)
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0)
  const size = octal(124, 12)
  if (octal(148, 8) !== sum || !Number.isSafeInteger(size) || size < 0) throw broken('a header has another checksum')
  const prefix = text(257, 5) === 'ustar' ? text(345, 155) : ''
  const type = text(156, 1)
  return {
    path: prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`,
    type: type === '' ? '0' : type,
    size,
    mode: octal(100, 8),
  }
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
