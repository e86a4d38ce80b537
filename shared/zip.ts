import { open, stat } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { BitfleetError, messageOf } from './errors.ts'

/**
 * The part of the zip format that bundles use, each field with the one value it can have: entries stored as they are,
 * sorted by name, of 1 January 1980, without comments, extra fields, gaps or 64-bit sizes. Any reader of zip files opens
 * them; equal entries make equal bytes; and a file that says anything else was not made here and is refused, which
 * leaves no room for compression bombs, overlaps, links or two readings of one file.
 *
 * @see PKWARE, APPNOTE.TXT 6.3.10, §4.3
 */

/** Entries and bytes that fit without the 64-bit extension. */
export const maxZipEntries = 0xffff - 1
export const maxZipBytes = 0xffff_ffff - 1

const localBytes = 30
const centralBytes = 46
const endBytes = 22
const maxDirectoryBytes = 32 << 20
/** 1980-01-01, the first day there is. */
const date = 0x0021
/** A regular file, mode 0644, made on Unix, by and for version 2.0 of the format. */
const version = 20
const madeBy = (3 << 8) | version
const attributes = (0o100644 << 16) >>> 0

/** ASCII words with slashes between, none hidden: nothing that a file system or a path could take otherwise. */
const namePattern = /^(?!.{201})[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/

interface Entry {
  readonly name: string
  readonly crc: number
  readonly size: number
  readonly offset: number
}

export interface ZipSource {
  readonly name: string
  content(): Promise<Uint8Array>
}

/**
 * Writes a file; its caller sees to it that it is whole before it has its name.
 *
 * @throws `format` for a name that no entry may have or two have, `limit` for more than fits
 */
export async function writeZip(path: string, sources: readonly ZipSource[]): Promise<void> {
  const sorted = [...sources].sort((a, b) => compareNames(a.name, b.name))
  if (sorted.length > maxZipEntries) throw tooLarge(path)
  sorted.forEach(({ name }, i) => checkName(path, name, sorted[i - 1]?.name))
  const file = await open(path, 'w', 0o644)
  try {
    const entries: Entry[] = []
    let at = 0
    const append = async (bytes: Uint8Array) => {
      if (at + bytes.byteLength > maxZipBytes) throw tooLarge(path)
      for (let done = 0; done < bytes.byteLength; ) {
        done += (await file.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten
      }
      at += bytes.byteLength
    }
    for (const { name, content } of sorted) {
      const bytes = await content()
      const entry = { name, crc: crc32(bytes), size: bytes.byteLength, offset: at }
      entries.push(entry)
      await append(localHeader(entry))
      await append(bytes)
    }
    const directory = Buffer.concat(entries.map(centralHeader))
    const offset = at
    await append(directory)
    await append(endRecord(entries.length, directory.byteLength, offset))
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Bytes at offsets: a file, or what is in memory. */
export interface ByteSource {
  readonly title: string
  readonly size: number
  read(offset: number, length: number): Promise<Buffer>
}

/**
 * A file, opened for each reading and never held: whoever reads twice checks what they read.
 *
 * @throws `not-found`; `usage` for what is no file
 */
export async function openFileSource(path: string): Promise<ByteSource> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new BitfleetError('not-found', `cannot read ${path}: ${messageOf(cause)}`, { cause })
  })
  if (!found.isFile()) throw new BitfleetError('usage', `${path} is no file`)
  return {
    title: path,
    size: found.size,
    async read(offset, length) {
      const bytes = Buffer.alloc(length)
      const file = await open(path)
      try {
        for (let done = 0; done < length; ) {
          const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
          if (bytesRead === 0) throw new BitfleetError('format', `${path} ended while it was read`)
          done += bytesRead
        }
      } finally {
        await file.close()
      }
      return bytes
    },
  }
}

export function createMemorySource(title: string, bytes: Uint8Array): ByteSource {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    ...{ title, size: view.byteLength },
    read: async (offset, length) => view.subarray(offset, offset + length),
  }
}

export interface ZipFile {
  /** Sorted. */
  readonly names: readonly string[]
  sizeOf(name: string): number
  /** @throws `format`, `digest-mismatch` where the bytes are not what the directory says, `limit` over `limitBytes` */
  read(name: string, limitBytes: number): Promise<Buffer>
}

/** Reads the directory, and nothing more. @throws `format` for whatever `writeZip` would not have written */
export async function readZip(source: ByteSource): Promise<ZipFile> {
  const { title, size } = source
  const wrong = (fact: string) =>
    new BitfleetError('format', `${title}: ${fact}; a bundle is taken only as it was written, so carry it unchanged`)
  if (size < endBytes || size > maxZipBytes) throw wrong(`${size} bytes are no bundle`)
  const end = await source.read(size - endBytes, endBytes)
  const [count, length, start] = [end.readUInt16LE(10), end.readUInt32LE(12), end.readUInt32LE(16)]
  if (!end.equals(endRecord(count, length, start)) || count > maxZipEntries) {
    throw wrong('it does not end as a zip file without a comment does')
  }
  if (start + length + endBytes !== size || length > maxDirectoryBytes)
    throw wrong('its directory does not fit its size')

  const directory = await source.read(start, length)
  const entries = new Map<string, Entry>()
  let at = 0
  let offset = 0
  let previous: string | undefined
  for (let i = 0; i < count; i++) {
    if (at + centralBytes > length) throw wrong('its directory is cut off')
    const nameBytes = directory.readUInt16LE(at + 28)
    const name = directory.toString('latin1', at + centralBytes, at + centralBytes + nameBytes)
    checkName(title, name, previous)
    previous = name
    const [method, crc, entrySize] = [10, 16, 24].map((field, which) =>
      which === 0 ? directory.readUInt16LE(at + field) : directory.readUInt32LE(at + field),
    ) as [number, number, number]
    if (method !== 0) throw wrong(`${name} is compressed, and bundles store their entries as they are`)
    const entry = { name, crc, size: entrySize, offset }
    const expected = centralHeader(entry)
    if (!directory.subarray(at, at + expected.byteLength).equals(expected)) {
      throw wrong(`${name} is a link, overlaps another entry, or is described in another way than bundles do`)
    }
    entries.set(name, entry)
    at += expected.byteLength
    offset += localBytes + nameBytes + entrySize
    if (offset > start) throw wrong(`${name} goes beyond the entries`)
  }
  if (at !== length || offset !== start) throw wrong('there are bytes between its entries that belong to none')

  const find = (name: string): Entry => {
    const entry = entries.get(name)
    if (entry === undefined) throw new BitfleetError('not-found', `${title} has no ${name}`)
    return entry
  }
  return {
    names: [...entries.keys()],
    sizeOf: (name) => find(name).size,
    async read(name, limitBytes) {
      const entry = find(name)
      if (entry.size > limitBytes) {
        throw new BitfleetError('limit', `${title}: ${name} has ${entry.size} bytes; at most ${limitBytes} are read`)
      }
      const header = localHeader(entry)
      const bytes = await source.read(entry.offset, header.byteLength + entry.size)
      if (!bytes.subarray(0, header.byteLength).equals(header)) {
        throw wrong(`${name} says otherwise of itself than the directory does`)
      }
      const content = bytes.subarray(header.byteLength)
      if (crc32(content) !== entry.crc) {
        throw new BitfleetError('digest-mismatch', `${title}: ${name} was damaged: its checksum is wrong`)
      }
      return content
    },
  }
}

function checkName(title: string, name: string, previous: string | undefined): void {
  if (!namePattern.test(name)) {
    throw new BitfleetError('format', `${title}: an entry is named ${JSON.stringify(name)}, which no bundle has`)
  }
  if (previous === undefined || compareNames(previous, name) < 0) return
  const fact = previous === name ? `${name} is there twice` : `${name} stands after ${previous}`
  throw new BitfleetError('format', `${title}: ${fact}; entries are sorted by name and each is there once`)
}

function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function tooLarge(path: string): BitfleetError {
  return new BitfleetError(
    'limit',
    `${path}: a bundle holds at most ${maxZipEntries} files and ${maxZipBytes} bytes; split the plan`,
  )
}

function localHeader({ name, crc, size }: Entry): Buffer {
  const header = Buffer.alloc(localBytes + name.length)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(version, 4)
  header.writeUInt16LE(date, 12)
  header.writeUInt32LE(crc, 14)
  header.writeUInt32LE(size, 18)
  header.writeUInt32LE(size, 22)
  header.writeUInt16LE(name.length, 26)
  header.write(name, localBytes, 'latin1')
  return header
}

function centralHeader({ name, crc, size, offset }: Entry): Buffer {
  const header = Buffer.alloc(centralBytes + name.length)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE(madeBy, 4)
  header.writeUInt16LE(version, 6)
  header.writeUInt16LE(date, 14)
  header.writeUInt32LE(crc, 16)
  header.writeUInt32LE(size, 20)
  header.writeUInt32LE(size, 24)
  header.writeUInt16LE(name.length, 28)
  header.writeUInt32LE(attributes, 38)
  header.writeUInt32LE(offset, 42)
  header.write(name, centralBytes, 'latin1')
  return header
}

function endRecord(count: number, length: number, start: number): Buffer {
  const record = Buffer.alloc(endBytes)
  record.writeUInt32LE(0x06054b50, 0)
  record.writeUInt16LE(count, 8)
  record.writeUInt16LE(count, 10)
  record.writeUInt32LE(length, 12)
  record.writeUInt32LE(start, 16)
  return record
}
