import fc from 'fast-check'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { needs } from '../test/needs.ts'
import { createMemorySource, readZip, writeZip } from './zip.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'bitfleet-zip-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const noPython = needs(
  'zip files in Python',
  spawnSync('python3', ['-c', 'import zipfile']).status === 0,
  'there is no python3',
  'apt install python3',
)

type Content = Readonly<Record<string, string | Uint8Array>>

async function pack(content: Content, reversed = false): Promise<Buffer> {
  const path = join(dir, 'x.zip')
  const sources = Object.entries(content).map(([name, bytes]) => ({ name, content: async () => Buffer.from(bytes) }))
  await writeZip(path, reversed ? sources.reverse() : sources)
  return readFileSync(path)
}

const open = (bytes: Uint8Array) => readZip(createMemorySource('x.zip', bytes))

/** Opens and reads every entry, as a check does. */
async function readAll(bytes: Uint8Array): Promise<Map<string, Buffer>> {
  const zip = await open(bytes)
  const all = new Map<string, Buffer>()
  for (const name of zip.names) all.set(name, await zip.read(name, 1 << 20))
  return all
}

/** A zip as another program may write it: every field is the test's. */
interface HostileEntry {
  readonly name: string
  readonly data: Uint8Array
  readonly method?: number
  readonly size?: number
  readonly attributes?: number
  readonly extra?: Uint8Array
  /** In place of the true one. */
  readonly offset?: number
}

function hostileZip(entries: readonly HostileEntry[], comment = ''): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, data, method = 0, size = data.byteLength, attributes = 0, extra, offset } of entries) {
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(method, 4)
    fields.writeUInt16LE(0x21, 8)
    fields.writeUInt32LE(crc32(data), 10)
    fields.writeUInt32LE(data.byteLength, 14)
    fields.writeUInt32LE(size, 18)
    fields.writeUInt16LE(Buffer.byteLength(name), 22)
    fields.writeUInt16LE(extra?.byteLength ?? 0, 24)
    const local = Buffer.concat([
      Buffer.from('PK\x03\x04', 'latin1'),
      fields,
      Buffer.from(name),
      extra ?? Buffer.alloc(0),
      data,
    ])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(attributes, 6)
    tail.writeUInt32LE(offset ?? at, 10)
    const madeBy = Buffer.from([20, 3])
    directory.push(
      Buffer.concat([
        Buffer.from('PK\x01\x02', 'latin1'),
        madeBy,
        fields,
        tail,
        Buffer.from(name),
        extra ?? Buffer.alloc(0),
      ]),
    )
    parts.push(local)
    at += local.byteLength
  }
  const list = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(list.byteLength, 12)
  end.writeUInt32LE(at, 16)
  end.writeUInt16LE(comment.length, 20)
  return Buffer.concat([...parts, list, end, Buffer.from(comment)])
}

const regular = (0o100644 << 16) >>> 0
const plain = (name: string, text = 'x'): HostileEntry => ({ name, data: Buffer.from(text), attributes: regular })

describe('a zip', () => {
  it('has the same bytes whatever order and time it was made in', async () => {
    const content = { 'b/two': 'two', a: 'one', 'b/one': '' }
    expect(await pack(content)).toEqual(await pack(content, true))
    expect([...(await open(await pack(content))).names]).toEqual(['a', 'b/one', 'b/two'])
  })

  it('reads back what was written', async () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,8}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,8}){0,2}$/)
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, fc.uint8Array({ maxLength: 300 }), { noNullPrototype: true }),
        async (content) => {
          const read = await readAll(await pack(content))
          expect(Object.fromEntries([...read].map(([key, bytes]) => [key, new Uint8Array(bytes)]))).toEqual(content)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('is what the test of hostile files writes, too, where nothing is hostile', async () => {
    expect(hostileZip([plain('a', 'one'), plain('b/c', 'two')])).toEqual(await pack({ a: 'one', 'b/c': 'two' }))
  })

  it.skipIf(noPython)('opens in Python, which makes the same bytes of the same files', async () => {
    const [path, theirs] = [join(dir, 'ours.zip'), join(dir, 'theirs.zip')]
    const bytes = await pack({ 'a.txt': 'one', 'b/c.bin': Uint8Array.of(0, 255) })
    writeFileSync(path, bytes)
    const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as ours, zipfile.ZipFile(sys.argv[2], 'w') as theirs:
    print(ours.testzip(), ours.namelist(), ours.read('b/c.bin'))
    for name in sorted(ours.namelist()):
        entry = zipfile.ZipInfo(name)          # 1980-01-01, stored
        entry.create_system, entry.external_attr = 3, 0o100644 << 16
        theirs.writestr(entry, ours.read(name))
`
    expect(execFileSync('python3', ['-c', script, path, theirs], { encoding: 'utf8' })).toBe(
      "None ['a.txt', 'b/c.bin'] b'\\x00\\xff'\n",
    )
    // And another program that is told the same makes the same bytes.
    expect(readFileSync(theirs)).toEqual(bytes)
  })

  it('is refused with any one bit of it flipped', async () => {
    const bytes = await pack({ a: 'one', 'b/c': 'two and more' })
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      await expect(readAll(flipped), `bit ${bit}`).rejects.toMatchObject({
        code: expect.stringMatching(/format|digest/),
      })
    }
  })

  it('is refused cut off anywhere', async () => {
    const bytes = await pack({ a: 'one', 'b/c': 'two' })
    for (let length = 0; length < bytes.byteLength; length++) {
      await expect(readAll(bytes.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({ code: 'format' })
    }
  })
})

describe('a hostile zip', () => {
  const bomb = deflateRawSync(Buffer.alloc(1 << 20))
  it.each<[string, Buffer, RegExp]>([
    ['climbs out of its folder', hostileZip([plain('../etc/passwd')]), /which no bundle has/],
    ['climbs out in the middle', hostileZip([plain('a/../../b')]), /which no bundle has/],
    ['names a path from the root', hostileZip([plain('/etc/passwd')]), /which no bundle has/],
    ['names a drive', hostileZip([plain('C:\\x')]), /which no bundle has/],
    ['uses backslashes', hostileZip([plain('a\\b')]), /which no bundle has/],
    ['hides a file', hostileZip([plain('.ssh/config')]), /which no bundle has/],
    ['ends a name early', hostileZip([plain('a\0.json')]), /which no bundle has/],
    ['has an empty name', hostileZip([plain('')]), /which no bundle has/],
    ['has a folder for an entry', hostileZip([plain('a/', '')]), /which no bundle has/],
    ['has letters beyond ASCII', hostileZip([plain('é')]), /which no bundle has/],
    ['has a name that does not end', hostileZip([plain('a'.repeat(201))]), /which no bundle has/],
    ['has an entry twice', hostileZip([plain('a'), plain('a', 'y')]), /there twice/],
    ['is not sorted', hostileZip([plain('b'), plain('a')]), /stands after/],
    ['has a link', hostileZip([{ ...plain('a', '/etc/passwd'), attributes: (0o120777 << 16) >>> 0 }]), /a link/],
    [
      'has an entry with the right to run',
      hostileZip([{ ...plain('a'), attributes: (0o104755 << 16) >>> 0 }]),
      /a link/,
    ],
    ['is a compression bomb', hostileZip([{ ...plain('a'), data: bomb, method: 8, size: 1 << 20 }]), /compressed/],
    ['claims more than it has', hostileZip([{ ...plain('a'), size: 1 << 30 }]), /overlaps|beyond/],
    ['has two entries in the same bytes', hostileZip([plain('a'), { ...plain('b'), offset: 0 }]), /overlaps/],
    ['has extra fields', hostileZip([{ ...plain('a'), extra: Buffer.from([1, 0, 0, 0]) }]), /described in another way/],
    ['has a comment', hostileZip([plain('a')], 'hello'), /does not end/],
    ['has something before it', Buffer.concat([Buffer.from('#!/bin/sh\n'), hostileZip([plain('a')])]), /does not fit/],
    ['has something after it', Buffer.concat([hostileZip([plain('a')]), Buffer.from('x')]), /does not end/],
    ['is nothing', Buffer.alloc(0), /no bundle/],
    ['is something else', Buffer.alloc(1000, 'x'), /does not end/],
  ])('that %s is refused', async (_, bytes, message) => {
    await expect(readAll(bytes)).rejects.toThrow(message)
  })

  it('that lies in an entry of itself is refused when that is read', async () => {
    const bytes = await pack({ a: 'one' })
    bytes[14] = (bytes[14] as number) ^ 1
    await expect(readAll(bytes)).rejects.toThrow(/says otherwise of itself/)
  })

  it('is never read over the limit that was given', async () => {
    const zip = await open(await pack({ a: 'x'.repeat(100) }))
    await expect(zip.read('a', 99)).rejects.toMatchObject({ code: 'limit' })
  })
})

it('refuses to write what it would not read', async () => {
  for (const name of ['../a', 'a//b', '', 'é']) {
    await expect(pack({ [name]: 'x' })).rejects.toMatchObject({ code: 'format' })
  }
  const twice = ['a', 'a'].map((name) => ({ name, content: async () => Buffer.from('x') }))
  await expect(writeZip(join(dir, 'twice.zip'), twice)).rejects.toThrow(/there twice/)
})
