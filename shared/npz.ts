import { crc32, inflateRawSync } from 'node:zlib'
import { BitfleetError, isBitfleetError } from './errors.ts'
import { parseNpy } from './npy.ts'
import type { Tensor } from './tensor.ts'
import { decodeUtf8 } from './utf8.ts'

/**
 * The arrays of a .npz file: a zip of .npy files, as `np.savez` and `np.savez_compressed` write it.
 *
 * @see PKWARE, APPNOTE.TXT 6.3.10, §4.3 and §4.5.3 (64-bit sizes, which numpy always writes)
 */
const endBytes = 22
const centralBytes = 46
const localBytes = 30
const stored = 0
const deflated = 8
const maxArrays = 100_000

interface Entry {
  readonly name: string
  readonly method: number
  readonly crc: number
  readonly packedBytes: number
  readonly bytes: number
  readonly offset: number
}

/**
 * Arrays by name, without the `.npy` of their file's name; stored ones are not copied.
 *
 * @param limitBytes unpacked bytes of all arrays together that are accepted
 * @throws `format` if it is not such a zip, an array is damaged or two have one name; `limit` over `limitBytes`
 */
export function parseNpz(bytes: Uint8Array, limitBytes: number): Map<string, Tensor> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tensors = new Map<string, Tensor>()
  let total = 0
  for (const entry of readDirectory(file)) {
    if (!entry.name.endsWith('.npy')) throw refusal(`its entry ${JSON.stringify(entry.name)} is not a .npy file`)
    if ([entry.packedBytes, entry.bytes, entry.offset].includes(0xffff_ffff)) {
      throw refusal(`its array ${JSON.stringify(entry.name)} has 4 GiB or more`)
    }
    total += entry.bytes
    if (total > limitBytes) {
      throw new BitfleetError('limit', `its arrays have more than ${limitBytes} bytes, over the bound`)
    }
    const name = entry.name.slice(0, -'.npy'.length)
    if (tensors.has(name)) throw refusal(`it has the array "${name}" twice`)
    tensors.set(name, parseArray(entry, unpack(file, entry)))
  }
  return tensors
}

function parseArray({ name }: Entry, content: Buffer): Tensor {
  try {
    return parseNpy(content, name)
  } catch (error) {
    if (!isBitfleetError(error)) throw error
    throw new BitfleetError(error.code, `its array ${JSON.stringify(name)} is ${error.message}`, { cause: error })
  }
}

function refusal(fact: string): BitfleetError {
  return new BitfleetError('format', `not a .npz file Bitfleet can read: ${fact}`)
}

function readDirectory(file: Buffer): Entry[] {
  const end = file.length - endBytes
  // numpy writes no comment, so the record is at the very end.
  if (end < 0 || file.readUInt32LE(end) !== 0x06054b50)
    throw refusal('it does not end as a zip file without a comment does')
  const [count, size, start] = [file.readUInt16LE(end + 10), file.readUInt32LE(end + 12), file.readUInt32LE(end + 16)]
  if (count === 0xffff || start === 0xffff_ffff)
    throw refusal('it has a 64-bit directory, for 4 GiB or 65,535 arrays and more')
  if (count > maxArrays || start + size > end) throw refusal('its directory does not fit its size')
  const entries: Entry[] = []
  let at = start
  for (let i = 0; i < count; i++) {
    if (at + centralBytes > end || file.readUInt32LE(at) !== 0x02014b50) throw refusal('its directory is cut off')
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => file.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ]
    const next = at + centralBytes + nameBytes + extraBytes + commentBytes
    if (next > end) throw refusal('its directory is cut off')
    if ((file.readUInt16LE(at + 8) & 1) !== 0) throw refusal('it is encrypted')
    entries.push({
      name: nameOf(file.subarray(at + centralBytes, at + centralBytes + nameBytes)),
      method: file.readUInt16LE(at + 10),
      crc: file.readUInt32LE(at + 16),
      packedBytes: file.readUInt32LE(at + 20),
      bytes: file.readUInt32LE(at + 24),
      offset: file.readUInt32LE(at + 42),
    })
    at = next
  }
  return entries
}

/** numpy writes UTF-8; two names of other bytes must not become one. */
function nameOf(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes)
  } catch {
    throw refusal('the name of an array is not UTF-8')
  }
}

function unpack(file: Buffer, { name, method, crc, packedBytes, bytes, offset }: Entry): Buffer {
  const title = JSON.stringify(name)
  if (offset + localBytes > file.length || file.readUInt32LE(offset) !== 0x04034b50) {
    throw refusal(`its array ${title} is not where the directory says`)
  }
  const begin = offset + localBytes + file.readUInt16LE(offset + 26) + file.readUInt16LE(offset + 28)
  if (begin + packedBytes > file.length) throw refusal(`its array ${title} is cut off`)
  const content = inflate(file.subarray(begin, begin + packedBytes), method, bytes, title)
  if (content.length !== bytes || crc32(content) !== crc) throw refusal(`its array ${title} is damaged`)
  return content
}

function inflate(packed: Buffer, method: number, bytes: number, title: string): Buffer {
  if (method === stored) return packed
  if (method !== deflated)
    throw refusal(`its array ${title} is compressed by method ${method}, which numpy does not use`)
  try {
    // One more than is due shows that there is more than was said, and no bomb unpacks.
    return inflateRawSync(packed, { maxOutputLength: bytes + 1 })
  } catch (cause) {
    throw new BitfleetError('format', `not a .npz file Bitfleet can read: its array ${title} is damaged`, { cause })
  }
}
