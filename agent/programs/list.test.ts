import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { needs } from '../../test/needs.ts'
import { programEntrySchema } from './entry.ts'
import { readProgramList, readPrograms, writeProgramList } from './list.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-programs-'))
afterAll(() => rmSync(root, { recursive: true }))

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(root, 'list-'))
  file = join(folder, 'programs.json')
})

const entry = (id: string, more: object = {}) => programEntrySchema.parse({ id, command: ['/bin/true'], ...more })
const write = (value: unknown, mode = 0o644) => {
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  chmodSync(file, mode)
}
const list = (...programs: object[]) => ({ schema: 'bitfleet/programs@1', programs })

describe('a list of programs', () => {
  it('reads as it was written, whole and for all to read', async () => {
    const before = process.umask(0o077)
    const programs = [entry('b', { parameters: { epochs: 2 } }), entry('a')]
    await writeProgramList(file, programs)
    process.umask(before)
    expect(readProgramList(file)).toEqual(programs)
    expect(statSync(file).mode & 0o777).toBe(0o644)
    expect(readdirSync(folder)).toEqual(['programs.json'])
    // For a person to edit: a line for each thing.
    expect(readFileSync(file, 'utf8').split('\n').length).toBeGreaterThan(20)
  })

  it('is empty where there is no file', () => expect(readProgramList(file)).toEqual([]))

  it('takes what a hand leaves out', () => {
    write(list({ id: 'digits', command: ['/bin/true'] }))
    expect(readProgramList(file)).toEqual([entry('digits')])
  })

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /programs\.json is not JSON/],
    ['another schema', { schema: 'x', programs: [] }, /schema: /],
    ['an entry without id', list({ command: ['/bin/true'] }), /programs\.0\.id: an entry has an id/],
    ['a bad entry', list(entry('a'), { id: 'b', command: ['x'] }), /program b: command: .*absolute path/],
    ['two of one id', list(entry('a'), entry('a')), /program a is listed twice/],
    ['a typing error', list({ ...entry('a'), knob: [] }), /program a: .*"knob"/],
  ])('says what is wrong: %s', (_, value, message) => {
    write(value)
    expect(() => readProgramList(file)).toThrow(message)
    expect(() => readProgramList(file)).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it.each([
    [0o664, /can be written by group \d+/],
    [0o646, /can be written by everybody/],
  ])('is refused with mode %o', (mode, message) => {
    write(list(entry('a')), mode)
    expect(() => readProgramList(file)).toThrow(message)
    expect(() => readProgramList(file)).toThrow(expect.objectContaining({ code: 'refused' }))
  })

  it('is refused where it is somebody else’s', (context) => {
    if (needs('a list of programs that another user owns', process.getuid?.() === 0, 'this is not root')) context.skip()
    write(list(entry('a')))
    chownSync(file, 4242, 4242)
    expect(() => readProgramList(file)).toThrow(/belongs to user 4242, neither to root nor to user 0/)
  })

  it('says what keeps this user from reading it', () => {
    write(list(entry('a')), 0)
    // Root reads whatever the mode.
    const isRoot = process.geteuid?.() === 0
    chmodSync(root, 0o711)
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(() => readProgramList(file)).toThrow(/EACCES.*; let this user read it, and pass the folders above it/)
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

  it('is no folder and no device', () => {
    expect(() => readProgramList(folder)).toThrow(/is no regular file|cannot be read/)
    symlinkSync('/dev/zero', file)
    expect(() => readProgramList(file)).toThrow(/is no regular file|can be written by everybody/)
  })

  it('goes before another that has the same program', async () => {
    const other = join(folder, 'other.json')
    await writeProgramList(file, [entry('a')])
    await writeProgramList(other, [entry('a', { parameters: { x: 1 } }), entry('b')])
    expect(readPrograms([file, other]).map((listed) => [listed.entry.id, listed.file])).toEqual([
      ['a', file],
      ['b', other],
    ])
  })
})
