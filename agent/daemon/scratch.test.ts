import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { clearScratch, makeScratch, removeScratch } from './scratch.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-scratch-'))
afterAll(() => {
  if (isRoot) process.seteuid?.(0)
  rmSync(root, { recursive: true })
})
const isRoot = process.geteuid?.() === 0

it('removes folders that nobody may write, leaves alone what links lead to, and says what stays', () => {
  const elsewhere = join(root, 'elsewhere')
  mkdirSync(elsewhere, { mode: 0o500 })
  const closed = join(root, 'closed')
  mkdirSync(join(closed, 'in'), { recursive: true })
  const folder = join(root, 'x')
  mkdirSync(join(folder, 'a/b'), { recursive: true })
  writeFileSync(join(folder, 'a/b/file'), '')
  symlinkSync(elsewhere, join(folder, 'a/link'))
  for (const [path, mode] of [
    [join(folder, 'a/b'), 0o555],
    [join(folder, 'a'), 0],
  ] as const) {
    if (isRoot) chownSync(path, 65_534, 65_534)
    chmodSync(path, mode)
  }
  chmodSync(closed, 0o555)
  // Root may write whatever the mode.
  if (isRoot) {
    chownSync(folder, 65_534, 65_534)
    chmodSync(root, 0o777)
    process.seteuid?.(65_534)
  }
  try {
    expect(() => rmSync(folder, { recursive: true })).toThrow(/EACCES|EPERM/)
    expect(removeScratch(folder)).toBeUndefined()
    expect(removeScratch(join(closed, 'in'))).toMatch(/EACCES|EPERM/)
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
  expect(existsSync(folder)).toBe(false)
  expect(existsSync(join(closed, 'in'))).toBe(true)
  chmodSync(closed, 0o755)
  expect(statSync(elsewhere).mode & 0o777).toBe(0o500)
  expect(removeScratch(folder)).toBeUndefined()
})

describe('the folder of an execution', () => {
  const place = join(root, 'short')
  mkdirSync(place)
  const links = join(place, `bitfleet-${process.getuid?.() ?? 0}`)
  const deep = join(root, 'd'.repeat(100), 'e'.repeat(100))
  const bytesOfSocket = (temporary: string) =>
    Buffer.byteLength(join(temporary, 'torch-shm-dir-XXXXXX', 'manager.sock'))

  it('lies under its root where a socket has room', () => {
    const scratch = makeScratch(join(root, 's'), [place])
    expect(scratch.folder.startsWith(join(root, 's', 'x-'))).toBe(true)
    expect(scratch.limit).toBeUndefined()
    expect(existsSync(links)).toBe(false)
    expect(scratch.remove()).toBeUndefined()
    expect(readdirSync(join(root, 's'))).toEqual([])
  })

  it('is come to by a short link where it has none, and stays on the file system of its root', () => {
    const scratch = makeScratch(deep, [join(root, 'n'.repeat(100)), place])
    expect(scratch.limit).toBeUndefined()
    expect(bytesOfSocket(scratch.temporary)).toBeLessThan(104)
    expect(readlinkSync(scratch.folder).startsWith(`${deep}/x-`)).toBe(true)
    expect(statSync(links).mode & 0o777).toBe(0o700)
    mkdirSync(scratch.temporary)
    writeFileSync(join(scratch.temporary, 'file'), 'kept')
    expect(readdirSync(join(readlinkSync(scratch.folder), 'tmp'))).toEqual(['file'])
    expect(scratch.remove()).toBeUndefined()
    expect([...readdirSync(deep), ...readdirSync(links)]).toEqual([])
  })

  it('says what cannot be done where no short link can be made', () => {
    const open = join(root, 'open')
    mkdirSync(join(open, `bitfleet-${process.getuid?.() ?? 0}`), { recursive: true })
    chmodSync(join(open, `bitfleet-${process.getuid?.() ?? 0}`), 0o777)
    // Others can write the one, the other is too long itself, the third is not there.
    const scratch = makeScratch(deep, [open, join(root, 'n'.repeat(100)), join(root, 'nowhere')])
    expect(scratch.folder.startsWith(deep)).toBe(true)
    expect(scratch.limit).toMatch(/of \d+ bytes, is too long/)
    expect(scratch.remove()).toBeUndefined()
  })

  it('is removed after a crash with its link, and nobody else’s is', () => {
    const [own, other] = [makeScratch(deep, [place]), makeScratch(`${deep}-2`, [place])]
    expect(clearScratch(deep, [place])).toBeUndefined()
    expect(existsSync(own.folder)).toBe(false)
    expect(existsSync(deep)).toBe(false)
    expect(readdirSync(links).map((name) => join(links, name))).toEqual([other.folder])
    expect(other.remove()).toBeUndefined()
  })
})
