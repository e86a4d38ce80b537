import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { createLibraryDigests } from './library-digests.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-libraries-'))
afterAll(() => rmSync(root, { recursive: true }))

describe('digests of libraries', () => {
  it('are facts by file name, read again when the file changes', async () => {
    const file = join(root, 'libm.so.6')
    const read = createLibraryDigests()
    writeFileSync(file, 'one')
    expect(await read([file])).toEqual({ 'lib.libm.so.6.digest': digestOf('one') })
    expect(await read([file])).toEqual({ 'lib.libm.so.6.digest': digestOf('one') })
    writeFileSync(file, 'another')
    expect(await read([file])).toEqual({ 'lib.libm.so.6.digest': digestOf('another') })
  })

  it('say what cannot be known, and keep two files of one name apart', async () => {
    mkdirSync(join(root, 'other'))
    writeFileSync(join(root, 'other/libm.so.6'), 'third')
    writeFileSync(join(root, 'libm.so.6'), 'first')
    const facts = await createLibraryDigests()([
      join(root, 'libm.so.6'),
      join(root, 'other/libm.so.6'),
      '/lib/libopenblas.so.0 (deleted)',
      '/nowhere/lib blis=.so',
    ])
    expect(facts).toEqual({
      'lib.libm.so.6.digest': digestOf('first'),
      'lib.libm.so.6#2.digest': digestOf('third'),
      'lib.libopenblas.so.0.digest': 'replaced on disk while in use',
      'lib.lib_blis_.so.digest': 'unreadable',
    })
  })
})
