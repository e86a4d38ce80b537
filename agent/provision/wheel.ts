import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'
import { BitfleetError } from '../../shared/errors.ts'

const endBytes = 22
const centralBytes = 46
const localBytes = 30
const maxCommentBytes = 0xffff
/** A directory of 64 MiB names half a million files. */
const maxDirectoryBytes = 64 << 20
const deflated = 8

interface Entry {
  readonly path: string
  readonly method: number
  readonly compressedBytes: number
  readonly bytes: number
  readonly offset: number
}

/**
 * Takes files out of a wheel, which is a zip file. Only what `place` names is unpacked, to where it says: no entry
 * decides by its own name where it goes. Each is streamed, for one library may have most of a gigabyte.
 *
 * @param wheel its digest was checked by whoever calls, so that its checksums are not checked again
 * @param place where below `folder` an entry belongs, by the path it has in the wheel; undefined passes it over
 * @returns the paths written, below `folder`
 * @throws `format` for what is no such file; what the operating system refuses
 * @see PKWARE, APPNOTE.TXT 6.3.10, §4.3; wheels of up to 4 GiB have no 64-bit extension
 */
export async function unpackWheel(
  wheel: string,
  folder: string,
  place: (path: string) => string | undefined,
): Promise<string[]> {
  const file = await open(wheel)
  const written: string[] = []
  try {
    for (const entry of await readDirectory(file)) {
      const target = entry.path.endsWith('/') ? undefined : place(entry.path)
      if (target === undefined) continue
      if (target.startsWith('/') || target.split(/[/\\]/).includes('..')) {
        throw broken(`an entry would leave its folder with ${JSON.stringify(target)}`)
      }
      await mkdir(dirname(join(folder, target)), { recursive: true })
      await unpackEntry(wheel, file, entry, join(folder, target))
      written.push(target)
    }
  } finally {
    await file.close()
  }
  return written
}

function broken(fact: string): BitfleetError {
  return new BitfleetError('format', `it is no wheel that can be read: ${fact}`)
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) throw broken('it ends early')
    done += bytesRead
  }
  return buffer
}

async function readDirectory(file: FileHandle): Promise<Entry[]> {
  const { size } = await file.stat()
  const tailBytes = Math.min(size, endBytes + maxCommentBytes)
  const tail = await readAt(file, size - tailBytes, tailBytes)
  const at = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (at < 0 || tail.byteLength - at < endBytes) throw broken('it has no directory')
  const [count, length, offset] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)]
  if (length > maxDirectoryBytes || offset === 0xffff_ffff) throw broken('its directory is larger than a wheel has')
  const directory = await readAt(file, offset, length)
  const entries: Entry[] = []
  for (let next = 0; entries.length < count; ) {
    if (next + centralBytes > directory.byteLength || directory.readUInt32LE(next) !== 0x0201_4b50) {
      throw broken('its directory is shorter than it says')
    }
    const word = (from: number) => directory.readUInt16LE(next + from)
    const long = (from: number) => directory.readUInt32LE(next + from)
    const nameEnd = next + centralBytes + word(28)
    entries.push({
      path: directory.toString('utf8', next + centralBytes, nameEnd),
      method: word(10),
      compressedBytes: long(20),
      bytes: long(24),
      offset: long(42),
    })
    next = nameEnd + word(30) + word(32)
  }
  return entries
}

async function unpackEntry(wheel: string, file: FileHandle, entry: Entry, path: string): Promise<void> {
  if (entry.method !== 0 && entry.method !== deflated) throw broken(`${entry.path} is packed by method ${entry.method}`)
  const local = await readAt(file, entry.offset, localBytes)
  if (local.readUInt32LE(0) !== 0x0403_4b50) throw broken(`${entry.path} is not where its directory says`)
  const start = entry.offset + localBytes + local.readUInt16LE(26) + local.readUInt16LE(28)
  const output = createWriteStream(path, { flags: 'wx', mode: 0o644 })
  let bytes = 0
  // Nothing is written past the size that was announced.
  const count = new Transform({
    transform(piece: Buffer, _, done) {
      bytes += piece.byteLength
      if (bytes > entry.bytes) done(broken(`${entry.path} is longer than its directory says`))
      else done(null, piece)
    },
  })
  if (entry.compressedBytes === 0) {
    output.end()
    await new Promise<void>((resolve, reject) => output.once('close', resolve).once('error', reject))
  } else {
    const packed = createReadStream(wheel, { start, end: start + entry.compressedBytes - 1 })
    if (entry.method === 0) await pipeline(packed, count, output)
    else await pipeline(packed, createInflateRaw(), count, output)
  }
  if (bytes !== entry.bytes) throw broken(`${entry.path} has ${bytes} bytes, not ${entry.bytes}`)
}
