import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writableByOthers } from './writable.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-writable-')))
afterAll(() => rmSync(root, { recursive: true }))
const folder = (name: string, mode: number) => {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  chmodSync(path, mode)
  return path
}
const file = (path: string, mode = 0o644) => {
  writeFileSync(path, '')
  chmodSync(path, mode)
  return path
}

const remedy = 'keep it where you and root alone can write'

describe('what others can write', () => {
  it('is nothing of a file in a folder of its owner', () => {
    expect(writableByOthers(file(join(folder('own', 0o755), 'a')))).toEqual([])
    expect(writableByOthers(folder('own', 0o755))).toEqual([])
    expect(writableByOthers(join(root, 'not-there'))).toEqual([])
  })

  it('is a file of theirs, and the folder around it, sticky or not', () => {
    const path = file(join(folder('own', 0o755), 'b'), 0o666)
    expect(writableByOthers(path)).toEqual([`everybody can write ${path}; ${remedy}`])
    for (const mode of [0o777, 0o1777]) {
      const open = folder('open', mode)
      expect(writableByOthers(file(join(open, 'a')))).toEqual([
        `everybody can write ${open}, and what is put there may be loaded and is not pinned; ${remedy}`,
      ])
      expect(writableByOthers(open)).toHaveLength(1)
    }
  })

  it('is what a folder further up lets them put in its place, unless that is sticky', () => {
    const up = folder('up', 0o777)
    const path = file(join(folder('up/in', 0o755), 'a'))
    expect(writableByOthers(path)).toEqual([
      `everybody can write ${up} and so put another file in the place of ${path}; ${remedy}`,
    ])
    folder('up', 0o1777)
    expect(writableByOthers(path)).toEqual([])
  })

  it('is what a link leads to', () => {
    const target = file(join(folder('own', 0o755), 'c'), 0o666)
    const link = join(root, 'link')
    symlinkSync(target, link)
    expect(writableByOthers(link).join()).toContain(`everybody can write ${target}; `)
  })
})
