import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { parseWheelName, pipTags } from './wheel-name.ts'
import { unpackWheel } from './wheel.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-wheel-'))
afterAll(() => rmSync(root, { recursive: true }))

interface ZipEntry {
  readonly name: string
  readonly content: Buffer
  readonly method?: number
  /** Claimed in the directory; else the true size. */
  readonly claimed?: number
}

/** A zip file as any writer makes it. @see PKWARE, APPNOTE.TXT 6.3.10, §4.3 */
function zip(entries: readonly ZipEntry[]): Buffer {
  const pieces: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, content, method = 8, claimed = content.byteLength } of entries) {
    const packed = method === 8 ? deflateRawSync(content) : content
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(method, 4)
    fields.writeUInt32LE(crc32(content), 10)
    fields.writeUInt32LE(packed.byteLength, 14)
    fields.writeUInt32LE(claimed, 18)
    fields.writeUInt16LE(Buffer.byteLength(name), 22)
    const extra = Buffer.from('extra')
    const localFields = Buffer.from(fields)
    localFields.writeUInt16LE(extra.byteLength, 24)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), localFields, Buffer.from(name), extra, packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(at, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, tail, Buffer.from(name)]))
    pieces.push(local)
    at += local.byteLength
  }
  const all = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(all.byteLength, 8)
  end.writeUInt32LE(at, 12)
  return Buffer.concat([...pieces, all, Buffer.from('PK\x05\x06'), end])
}

function wheelOf(bytes: Buffer): { wheel: string; folder: string } {
  const place = mkdtempSync(join(root, 'w-'))
  writeFileSync(join(place, 'a.whl'), bytes)
  return { wheel: join(place, 'a.whl'), folder: join(place, 'out') }
}

describe('a wheel', () => {
  const library = Buffer.from('a shared library '.repeat(10_000))
  const entries = [
    { name: 'tensorflow/', content: Buffer.alloc(0), method: 0 },
    { name: 'tensorflow/lib.so.2', content: library },
    { name: 'tensorflow/stored.h', content: Buffer.from('#pragma once\n'), method: 0 },
    { name: 'tensorflow/__init__.py', content: Buffer.alloc(0), method: 0 },
    { name: 'tensorflow/left-out.py', content: Buffer.from('import os\n') },
  ]

  it('is unpacked where its reader says, and only what it asks for', async () => {
    const { wheel, folder } = wheelOf(zip(entries))
    const written = await unpackWheel(wheel, folder, (path) =>
      path.includes('left-out') ? undefined : path.replace('tensorflow/', 'lib/'),
    )
    expect(written).toEqual(['lib/lib.so.2', 'lib/stored.h', 'lib/__init__.py'])
    expect(readdirSync(join(folder, 'lib')).sort()).toEqual(['__init__.py', 'lib.so.2', 'stored.h'])
    expect(readFileSync(join(folder, 'lib/lib.so.2')).equals(library)).toBe(true)
    expect(readFileSync(join(folder, 'lib/stored.h'), 'utf8')).toBe('#pragma once\n')
    expect(readFileSync(join(folder, 'lib/__init__.py'))).toHaveLength(0)
  })

  it.each([
    ['no zip file', Buffer.from('a wheel that is none')],
    ['cut short', zip(entries).subarray(0, 500)],
    ['without its directory', zip(entries).subarray(1000)],
    ['packed in another way', zip([{ name: 'a', content: Buffer.from('a'), method: 93 }])],
    ['longer than it says', zip([{ name: 'a', content: library, claimed: 10 }])],
    ['shorter than it says', zip([{ name: 'a', content: library, claimed: 10_000_000 }])],
  ])('is refused: %s', async (_, bytes) => {
    const { wheel, folder } = wheelOf(bytes)
    await expect(unpackWheel(wheel, folder, (path) => path)).rejects.toMatchObject({ code: 'format' })
  })

  it('leaves its folder by no name', async () => {
    const { wheel, folder } = wheelOf(zip([{ name: '../../out', content: Buffer.from('x') }]))
    await expect(unpackWheel(wheel, folder, (path) => path)).rejects.toThrow('leave its folder')
    expect(readdirSync(join(folder, '..'))).not.toContain('out/..')
  })
})

describe('which wheel is meant', () => {
  it.each([
    [
      'tensorflow_cpu-2.18.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
      '--implementation cp --python-version 311 --abi cp311 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64',
    ],
    ['nvidia_nccl_cu12-2.21.5-py3-none-manylinux2014_x86_64.whl', '--abi none --platform manylinux2014_x86_64'],
    ['onnx-1.17.0-py3-none-any.whl', '--ignore-requires-python'],
  ])('%s', (file, expected) => {
    const tags = parseWheelName(file)?.tags
    expect(tags && pipTags(tags).join(' ')).toBe(expected)
  })
})
