import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, expect, it } from 'vitest'
import { unpackTar } from './unpack-tar.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-tar-'))
afterAll(() => rmSync(root, { recursive: true }))

function entry(name: string, content = '', type = '0', prefix = ''): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write(content.length.toString(8).padStart(11, '0'), 124)
  header.write(type, 156)
  header.write('ustar', 257)
  header.write('00', 263)
  header.write(prefix, 345)
  const sum = header.reduce((total, byte) => total + byte, 8 * 0x20)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, Buffer.from(content), Buffer.alloc(-content.length & 511)])
}
const archive = (...entries: Buffer[]) => gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]))
const long = 'x'.repeat(90)

it('unpacks files and empty folders, and writes last what says that all is there', async () => {
  const folder = join(root, 'good')
  const good = [
    entry('/VERSION', '18'),
    entry('/base', '', '5'),
    entry('base/1', 'a'.repeat(513)),
    entry('b', 'c', '0', long),
  ]
  await unpackTar(archive(...good), folder, 'VERSION')
  expect(readFileSync(join(folder, 'VERSION'), 'utf8')).toBe('18')
  expect(readFileSync(join(folder, 'base/1'), 'utf8')).toBe('a'.repeat(513))
  expect(readFileSync(join(folder, long, 'b'), 'utf8')).toBe('c')
  expect(statSync(join(folder, 'base/1')).mode & 0o777).toBe(0o600)
  // Again, over what a crash left of it.
  rmSync(join(folder, 'VERSION'))
  await unpackTar(archive(...good), folder, 'VERSION')
  expect(existsSync(join(folder, 'VERSION'))).toBe(true)
})

it.each<[string, Buffer[]]>([
  ['a name that leaves the folder', [entry('VERSION', '18'), entry('../escaped', 'x')]],
  ['a link', [entry('VERSION', '18'), entry('link', '', '2')]],
  ['an end within a file', [entry('VERSION', '18'), entry('cut', 'a'.repeat(600)).subarray(0, 600)]],
  ['a header that was changed', [entry('VERSION', '18'), entry('base', 'x').fill('y', 0, 1)]],
  ['nothing of what is named last', [entry('other', '18')]],
])('takes no archive with %s', async (what, entries) => {
  const folder = join(root, what)
  const cut = gzipSync(Buffer.concat(entries))
  await expect(unpackTar(cut, folder, 'VERSION')).rejects.toMatchObject({ code: 'format' })
  expect(existsSync(join(folder, 'VERSION'))).toBe(false)
  expect(readdirSync(root)).not.toContain('escaped')
})
