import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { createEntry } from './add.ts'
import { findChangedPin } from './pins.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-add-')))
afterAll(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'bin'))
const put = (name: string, text: string, mode = 0o644) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}
const real = put('bin/interpreter3', 'an interpreter', 0o755)
symlinkSync('interpreter3', join(folder, 'bin/interpreter'))
const interpreter = join(folder, 'bin/interpreter')
const script = put('train.x', 'a training')
const extra = put('model.x', 'a model')

const at = { folder, path: `${join(folder, 'none')}:${join(folder, 'bin')}` }
const none = { parameters: [], knobs: [], environment: [], pins: [] }
const add = (command: string[], more: object = {}) => createEntry({ id: 'digits', command, ...none, ...more }, at)

describe('adding a program', () => {
  it('pins every file of its command, through links, and what else it is told', async () => {
    const { entry, warnings } = await add([interpreter, script, '--epochs', '3', '/not/there'], { pins: ['model.x'] })
    expect(entry.pins).toEqual({
      [interpreter]: digestOf('an interpreter'),
      [script]: digestOf('a training'),
      [extra]: digestOf('a model'),
    })
    expect(warnings).toEqual([])
    expect(await findChangedPin(entry)).toBeUndefined()
  })

  it('pins what it finds in the folder that it is started in', async () => {
    const { entry } = await add([interpreter, 'train.x'], { directory: '.' })
    expect(entry.directory).toBe(folder)
    expect(Object.keys(entry.pins)).toEqual([interpreter, script])
  })

  it('pins the interpreter of a script, and says where none can be pinned', async () => {
    const own = put('own', `#!${real} -u\nbody`, 0o755)
    expect(Object.keys((await add([own])).entry.pins)).toEqual([own, real])
    const found = put('found', '#!/usr/bin/env python3\n', 0o755)
    expect((await add([found])).warnings.join()).toMatch(/\/usr\/bin\/env finds the interpreter/)
  })

  it('says what others can change', async () => {
    const open = join(folder, 'open')
    mkdirSync(open)
    chmodSync(open, 0o1777)
    const file = put('open/train.x', 'a training')
    const { warnings } = await add([interpreter, file], { directory: open })
    expect(warnings).toEqual([expect.stringContaining(`everybody can write ${open}, and what is put there`)])
  })

  it('reads parameters, knobs and variables', async () => {
    const { entry } = await add([interpreter], {
      parameters: ['epochs=2', 'rate=1e-3', 'quick=true', 'data=a=b', 'label=007'],
      knobs: [
        'threads=OMP_NUM_THREADS:1..64',
        'isa=ATEN_CPU_CAPABILITY:default,avx2',
        'caps=GLIBC_TUNABLES:glibc.cpu.hwcaps=-FMA\\,-AVX2',
      ],
      environment: ['OMP_DYNAMIC=FALSE', 'EMPTY='],
    })
    expect(entry.parameters).toEqual({ epochs: 2, rate: 0.001, quick: true, data: 'a=b', label: '007' })
    expect(entry.knobs).toEqual([
      { name: 'threads', variable: 'OMP_NUM_THREADS', values: { from: 1, to: 64 } },
      { name: 'isa', variable: 'ATEN_CPU_CAPABILITY', values: ['default', 'avx2'] },
      { name: 'caps', variable: 'GLIBC_TUNABLES', values: ['glibc.cpu.hwcaps=-FMA,-AVX2'] },
    ])
    expect(entry.environment).toEqual({ OMP_DYNAMIC: 'FALSE', EMPTY: '' })
  })

  it.each<[string, string[], object, RegExp]>([
    ['a program without path', ['interpreter', script], {}, /is no absolute path; here it is .*\/bin\/interpreter/],
    ['a program that is not there', ['/no/python', script], {}, /\/no\/python is no program that can be started/],
    ['a file that cannot be started', [script], {}, /is no program that can be started/],
    [
      'a file by a path from here',
      [interpreter, 'train.x'],
      {},
      /"train\.x" is a file here and would be none.*--directory/,
    ],
    ['a folder that is not there', [interpreter], { directory: 'nowhere' }, /--directory .* is no folder/],
    ['a pin that is not there', [interpreter], { pins: ['nothing'] }, /nothing cannot be read/],
    ['a pin that is a folder', [interpreter], { pins: ['bin'] }, /not a regular file/],
    ['half a parameter', [interpreter], { parameters: ['epochs'] }, /--parameter "epochs" is not NAME=VALUE/],
    ['a parameter twice', [interpreter], { parameters: ['a=1', 'a=2'] }, /gives a twice/],
    [
      'a name that no object takes',
      [interpreter],
      { parameters: ['__proto__=1'] },
      /--parameter cannot be called __proto__/,
    ],
    ['a variable of that name', [interpreter], { environment: ['__proto__=1'] }, /--env cannot be called __proto__/],
    ['half a knob', [interpreter], { knobs: ['threads=OMP_NUM_THREADS'] }, /is not NAME=VARIABLE:VALUES/],
    ['a knob that loads code', [interpreter], { knobs: ['p=LD_PRELOAD:/a.so'] }, /no plan may choose it/],
    ['a name that is taken', [interpreter], { id: 'numpy' }, /a backend of Bitfleet has this name/],
  ])('refuses %s', async (_, command, more, message) => {
    await expect(add(command, more)).rejects.toThrow(message)
  })

  it('finds what has changed since, and what is gone', async () => {
    const file = put('changing.x', 'one')
    const { entry } = await add([interpreter, file])
    writeFileSync(file, 'two')
    const changed = await findChangedPin(entry)
    expect(changed).toContain(file)
    expect(changed).toContain(digestOf('one'))
    expect(changed).toContain(digestOf('two'))
    expect(changed).toContain('bitfleet programs pin digits')
    rmSync(file)
    expect(await findChangedPin(entry)).toMatch(/changing\.x cannot be read: ENOENT/)
  })

  it('sees that a link leads to another file', async () => {
    const { entry } = await add([interpreter])
    const other = put('bin/interpreter4', 'another interpreter', 0o755)
    rmSync(interpreter)
    symlinkSync(other, interpreter)
    expect(await findChangedPin(entry)).toContain(digestOf('another interpreter'))
  })
})
