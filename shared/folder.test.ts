import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { needs } from '../test/needs.ts'
import { makeFolder } from './folder.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bitfleet-folder-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('a folder that a person named', () => {
  it('is made with what is above it, for its owner alone, and is no error when it is there', async () => {
    const path = join(root, 'a', 'b', 'c')
    await makeFolder(path, 0o700, 'choose another')
    await makeFolder(path, 0o700, 'choose another')
    for (const made of [path, join(root, 'a')]) expect((await stat(made)).mode & 0o777).toBe(0o700)
  })

  it('is refused in a sentence where a file stands in the way', async () => {
    await writeFile(join(root, 'file'), '')
    for (const path of [join(root, 'file'), join(root, 'file', 'below')]) {
      await expect(makeFolder(path, 0o700, 'choose another')).rejects.toMatchObject({
        code: 'system',
        message: expect.stringMatching(/file.* cannot be made \(.*\); choose another$/),
      })
    }
  })

  const absent = needs('a file system without folders', existsSync('/proc/self'), 'there is no /proc')
  it.skipIf(absent)('is refused, and not tried for ever, where the system takes no folders', async () => {
    await expect(makeFolder('/proc/bitfleet/state', 0o700, 'choose another')).rejects.toMatchObject({ code: 'system' })
  })
})
