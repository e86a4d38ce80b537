import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { removeScratch } from './scratch.ts'

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
