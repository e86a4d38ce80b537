import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { checkNamedFile, readNamedFile, readNamedText } from './named-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-named-'))
afterAll(() => rmSync(folder, { recursive: true }))

it('reads a file', async () => {
  const path = join(folder, 'a.txt')
  writeFileSync(path, 'é')
  expect(await readNamedText(path)).toBe('é')
  await expect(readNamedFile(path, { maxBytes: 1 })).rejects.toMatchObject({
    code: 'limit',
    message: `${path} has 2 bytes; files over 1 bytes are not read`,
  })
})

it('says what is not a file, and waits for nothing', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const path of [pipe, '/dev/zero', '/dev/null']) {
    for (const read of [readNamedFile, checkNamedFile]) {
      await expect(read(path)).rejects.toMatchObject({
        code: 'usage',
        message: `${path} is a pipe or a device; write what it gives to a file, and name that`,
      })
    }
  }
  await expect(readNamedFile(folder)).rejects.toThrow(`${folder} is a folder; give a file in it`)
  await expect(readNamedFile(join(folder, 'none'), { title: 'the plan x' })).rejects.toMatchObject({
    code: 'not-found',
    message: 'the plan x does not exist',
  })
})

it('takes no text for another', async () => {
  const path = join(folder, 'latin.txt')
  writeFileSync(path, Buffer.from([0xff]))
  await expect(readNamedText(path)).rejects.toThrow(`${path} is not UTF-8; save it as UTF-8`)
})
