import { BitfleetError } from './errors.ts'

/** A tar archive is blocks of this many bytes: a header, then the content, padded to whole blocks. */
export const tarBlockBytes = 512

/** What the block before an entry's content says of it. */
export interface TarHeader {
  /** As the archive has it; whoever unpacks decides where it may go. */
  readonly path: string
  /** `0` a file, `5` a folder; others are links, devices and attributes of the entry that follows. */
  readonly type: string
  /** Of the content, in bytes, without its padding. */
  readonly size: number
  readonly mode: number
}

/**
 * Reads one header block.
 *
 * @returns undefined for a block of zeros, which ends an archive
 * @throws `format` for a block whose checksum is another, or that names a size no file has
 * @see POSIX.1-2017, pax, ustar interchange format
 */
export function readTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  const octal = (at: number, length: number) => Number.parseInt(textOf(block, at, length).trim() || '0', 8)
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0)
  const size = octal(124, 12)
  if (octal(148, 8) !== sum || !Number.isSafeInteger(size) || size < 0) {
    throw new BitfleetError('format', 'it is no tar archive that can be read: a header has another checksum')
  }
  const name = textOf(block, 0, 100)
  const prefix = textOf(block, 257, 5) === 'ustar' ? textOf(block, 345, 155) : ''
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    type: textOf(block, 156, 1) || '0',
    size,
    mode: octal(100, 8),
  }
}

/** Bytes that an entry's content takes with its padding. */
export function paddedBytes(size: number): number {
  return Math.ceil(size / tarBlockBytes) * tarBlockBytes
}

function textOf(block: Uint8Array, at: number, length: number): string {
  const bytes = block.subarray(at, at + length)
  const end = bytes.indexOf(0)
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8')
}
