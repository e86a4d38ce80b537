import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { type TarEntry, tarball } from '../../test/tarball.ts'
import { unpackTarball } from './archive.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-archive-'))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
async function unpack(bytes: Uint8Array, place: (path: string) => string | undefined = (path) => path) {
  const archive = join(folder, `${count}.tgz`)
  const into = join(folder, `${count++}`)
  writeFileSync(archive, bytes)
  return { into, written: await unpackTarball(archive, into, place) }
}

const long = `package/${'d/'.repeat(60)}${'n'.repeat(90)}.js`

describe('an archive as npm packs it', () => {
  it('gives the files that are asked for, bit for bit, and their right to be run', async () => {
    const bytes = Buffer.from(Array.from({ length: 1500 }, (_, i) => i % 256))
    const { into, written } = await unpack(
      tarball([
        { path: 'package/package.json', bytes: Buffer.from('{}') },
        { path: 'package/bin/node', bytes, mode: 0o755 },
        { path: 'package/empty', bytes: Buffer.alloc(0) },
      ]),
      (path) => (path.endsWith('.json') ? undefined : path.replace('package/', 'x/')),
    )
    expect(written).toEqual(['x/bin/node', 'x/empty'])
    expect(readFileSync(join(into, 'x/bin/node')).equals(bytes)).toBe(true)
    expect(statSync(join(into, 'x/bin/node')).mode & 0o777).toBe(0o755)
    expect(statSync(join(into, 'x/empty'))).toMatchObject({ size: 0 })
  })

  it.each([['pax'], ['gnu']] as const)('has long names in the way of %s', async (names) => {
    const { into, written } = await unpack(
      tarball(
        [
          { path: long, bytes: Buffer.from('1') },
          { path: 'b', bytes: Buffer.from('2') },
        ],
        names,
      ),
    )
    expect(written).toEqual([long, 'b'])
    expect(readFileSync(join(into, long), 'utf8')).toBe('1')
  })

  it('gives no links, devices or folders', async () => {
    const types = ['1', '2', '3', '4', '5', '6', 'g']
    const { written } = await unpack(
      tarball(types.map((type): TarEntry => ({ path: `t${type}`, bytes: Buffer.alloc(0), type }))),
    )
    expect(written).toEqual([])
  })

  it.each([['../out'], ['/tmp/out'], ['a/../../out']])('does not follow %s out of its folder', async (path) => {
    await expect(unpack(tarball([{ path, bytes: Buffer.from('x') }]))).rejects.toMatchObject({
      code: 'format',
      message: expect.stringContaining('would leave its folder') as string,
    })
  })

  it('does not write over what it has written', async () => {
    const twice = [
      { path: 'a', bytes: Buffer.from('1') },
      { path: 'a', bytes: Buffer.from('2') },
    ]
    await expect(unpack(tarball(twice))).rejects.toMatchObject({ code: 'EEXIST' })
  })

  const whole = tarball([{ path: 'a', bytes: Buffer.alloc(5000, 7) }])
  const plain = tarball([{ path: 'a', bytes: Buffer.alloc(5000, 7) }], 'pax', (bytes) => bytes)
  it.each([
    ['cut short', whole.subarray(0, whole.byteLength - 20)],
    ['cut within a file', gzipSync(plain.subarray(0, 3000))],
    ['without its end', gzipSync(plain.subarray(0, 512 + 5120))],
    ['with a damaged header', gzipSync(Buffer.concat([Buffer.from('b'), plain.subarray(1)]))],
    ['no archive', Buffer.from('<html>sign in</html>')],
    ['empty', Buffer.alloc(0)],
  ])('is refused %s', async (_, bytes) => {
    await expect(unpack(bytes)).rejects.toMatchObject({ code: 'format' })
  })
})
