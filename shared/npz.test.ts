import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { parseNpz } from './npz.ts'
import { bitsHex } from './tensor.ts'

// Written by numpy 2.3.5: savez and savez_compressed of w, `lb/é` and s.
const read = (name: string) => readFileSync(join(import.meta.dirname, '../test/fixtures/npz', name))
const limit = 1 << 20
const [stored, compressed] = [read('stored.npz'), read('compressed.npz')]

test.each([
  ['stored', stored],
  ['compressed', compressed],
])('%s arrays are those that numpy wrote', (_name, file) => {
  const found = [...parseNpz(file, limit)].map(([name, tensor]) => [name, tensor.dtype, tensor.shape, bitsHex(tensor)])
  expect(found).toEqual([
    ['w', 'f32', [2, 3], ['00000000', '3f800000', '40000000', '40400000', '40800000', '40a00000']],
    ['lb/é', 'i64', [2], ['0000000000000001', '0000000000000002']],
    ['s', 'f64', [], ['4008000000000000']],
  ])
})

/** The file with these bytes at an offset. */
function changed(file: Buffer, at: number, bytes: number[]): Buffer {
  const copy = Buffer.from(file)
  copy.set(bytes, at)
  return copy
}
const directory = (file: Buffer) => file.readUInt32LE(file.length - 6)

test('files that lie are refused with the reason', () => {
  const [at, packedAt] = [directory(stored), directory(compressed)]
  // The payload of the first array begins after a local header with its name and 20 bytes of 64-bit sizes.
  const payload = 30 + 'w.npy'.length + 20
  const size = compressed.readUInt32LE(packedAt + 24)
  const wrong: [string, Buffer][] = [
    ['does not end as a zip file', Buffer.from('PK')],
    ['does not end as a zip file', Buffer.concat([stored, Buffer.from([0])])],
    ['"w.npy" is damaged', changed(stored, payload + 140, [1])],
    ['"w.npy" is damaged', changed(compressed, payload + 20, [0xff, 0xff, 0xff])],
    ['"w.npy" is damaged', changed(compressed, packedAt + 24, [size - 8])],
    ['compressed by method 12', changed(stored, at + 10, [12])],
    ['it is encrypted', changed(stored, at + 8, [1])],
    ['not where the directory says', changed(stored, at + 42, [1])],
    ['has 4 GiB or more', changed(stored, at + 24, [255, 255, 255, 255])],
    ['is cut off', changed(stored, at + 20, [0, 0, 1])],
    ['directory is cut off', changed(stored, stored.length - 6, [at & 0xff, (at >> 8) - 1])],
    ['does not fit its size', changed(stored, stored.length - 6, [0xff, 0xff])],
    ['64-bit directory', changed(stored, stored.length - 12, [255, 255])],
    ['"w.npx" is not a .npy file', changed(stored, at + 46 + 4, ['x'.charCodeAt(0)])],
    ['the array "w" twice', twice(stored)],
    ['is not a .npy file Bitfleet can read: it does not begin', notNpy()],
  ]
  for (const [reason, file] of wrong) expect(() => parseNpz(file, limit), reason).toThrow(reason)
  expect(() => parseNpz(stored, 300)).toThrow('more than 300 bytes')
  expect(parseNpz(stored, 152 + 144 + 136).size).toBe(3)
})

/** The directory with its first entry twice, instead of three. */
function twice(file: Buffer): Buffer {
  const at = directory(file)
  const entry = file.subarray(at, at + 46 + 5)
  const end = Buffer.from(file.subarray(file.length - 22))
  end.writeUInt16LE(2, 8)
  end.writeUInt16LE(2, 10)
  end.writeUInt32LE(2 * entry.length, 12)
  return Buffer.concat([file.subarray(0, at), entry, entry, end])
}

/** A sound entry that is not a .npy file. */
function notNpy(): Buffer {
  const file = Buffer.from(stored)
  const at = directory(file)
  file.fill(0, 55, 55 + 152)
  file.writeUInt32LE(crc32(file.subarray(55, 55 + 152)), at + 16)
  return file
}
