import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { sha256Hex } from '../../shared/digest.ts'
import golden from '../../test/golden/golden.json' with { type: 'json' }
import type { JournalBody } from './journal-body.ts'
import { type JournalRecord, openJournal, readJournal } from './journal.ts'

// Many runs of a store in one test.
vi.setConfig({ testTimeout: 60_000 })

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bitfleet-journal-'))
})
afterAll(() => rm(folder, { recursive: true }))
const newPath = async () => {
  const made = await mkdtemp(join(folder, `${count++}-`))
  return join(made, 'journal')
}

const noon = () => new Date('2026-01-02T12:00:00Z')
const note = (subject: string): JournalBody => ({ kind: 'audit', by: 'api', action: 'noted', subject })
async function read(path: string): Promise<JournalRecord[]> {
  const records: JournalRecord[] = []
  await readJournal(path, ({ record }) => void records.push(record))
  return records
}
async function filled(n: number): Promise<string> {
  const path = await newPath()
  const journal = await openJournal(path, undefined, noon)
  for (let i = 0; i < n; i++) await journal.append(note(`${i}`))
  await journal.close()
  return path
}

describe('the format', () => {
  it('has these lines and these digests, also of an independent program', async () => {
    const path = await newPath()
    const journal = await openJournal(path, undefined, noon)
    await journal.append({ kind: 'journal', format: 'bitfleet/journal@1', id: 'golden' })
    await journal.append({ kind: 'cancel', by: 'api', run: '20260102-120000-abcdef' })
    await journal.close()
    expect(await readFile(path, 'utf8')).toBe(golden.journal.map(({ line }) => `${line}\n`).join(''))
    expect(golden.journal.map(({ line }) => sha256Hex(`${line}\n`))).toEqual(golden.journal.map(({ sha256 }) => sha256))
    expect(golden.journal[1]?.sha256).toBe('4932c4f4be68c38a4c5449a7b73549f758f49f1cbce05edbea046c9e92c3d5c7')
  })

  it('is read back as it was written, whatever is appended at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 12 }), { minLength: 1, maxLength: 5 }),
        async (bursts) => {
          const path = await newPath()
          for (const burst of bursts) {
            const journal = await openJournal(path)
            const records = await Promise.all(burst.map((subject) => journal.append(note(subject))))
            expect(records.map(({ record }) => record.kind === 'audit' && record.subject)).toEqual(burst)
            await journal.close()
          }
          const subjects = (await read(path)).map((record) => record.kind === 'audit' && record.subject)
          expect(subjects).toEqual(bursts.flat())
        },
      ),
      { numRuns: 25 },
    )
  })

  it('refuses what it could not read again, and only that', async () => {
    const path = await newPath()
    const journal = await openJournal(path)
    const good = journal.append(note('good'))
    expect(() => journal.append(note('\ud800'))).toThrow(/lone surrogate/)
    expect(() => journal.append(note('x'.repeat(1 << 20)))).toThrow(/longer than a line/)
    expect(() => journal.append({ kind: 'unheard-of' } as unknown as JournalBody)).toThrow('Invalid')
    await good
    await journal.close()
    expect(await read(path)).toHaveLength(1)
  })
})

describe('a torn last record', () => {
  it('is set aside wherever the cut is, and the journal goes on', async () => {
    const whole = await readFile(await filled(3))
    const lines = whole.toString().split('\n')
    const before = Buffer.byteLength(`${lines[0]}\n${lines[1]}\n`)
    for (let cut = before + 1; cut < whole.length - 1; cut += 7) {
      const path = await newPath()
      await writeFile(path, whole.subarray(0, cut))
      const journal = await openJournal(path, undefined, noon)
      expect(await readFile(journal.tornFile as string)).toEqual(whole.subarray(before, cut))
      await journal.append(note('2'))
      await journal.close()
      expect(await readFile(path)).toEqual(whole)
    }
  })

  it('of zeros, as some file systems leave one, is set aside too', async () => {
    const path = await filled(2)
    await appendFile(path, Buffer.alloc(5000))
    const journal = await openJournal(path)
    expect((await readFile(journal.tornFile as string)).length).toBe(5000)
    await journal.close()
    expect(await read(path)).toHaveLength(2)
  })

  it('is no concern of a reader beside the writer', async () => {
    const path = await filled(2)
    await appendFile(path, '{"at":"20')
    expect(await readJournal(path, () => {})).toMatchObject({ sequence: 2, tornBytes: 9 })
    expect(await readdir(join(path, '..'))).toEqual(['journal'])
  })
})

describe('a broken chain', () => {
  it('is found by any flipped bit, and the line is named', async () => {
    const path = await filled(3)
    const whole = await readFile(path)
    const lineOf = (at: number) => whole.subarray(0, at).toString().split('\n').length
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
      await writeFile(path, damaged)
      const found = await readJournal(path, () => {}).then(
        () => undefined,
        (error: { code: string; message: string }) => error,
      )
      expect(found, `byte ${at}`).toMatchObject({ code: 'format' })
      // A line feed that is none any more joins two lines; one that appears parts one.
      expect(Number(/line (\d+)/.exec(found?.message ?? '')?.[1])).toBe(lineOf(at))
    }
  })

  it('is found where a line is missing, twice there, or out of order', async () => {
    const path = await filled(4)
    const [a, b, c, d] = (await readFile(path, 'utf8')).split('\n').map((line) => `${line}\n`)
    for (const [lines, at] of [
      [[a, c, d], 2],
      [[a, b, b, c], 3],
      [[b, c, d], 1],
      [[a, c, b, d], 2],
    ] as const) {
      await writeFile(path, lines.join(''))
      await expect(openJournal(path)).rejects.toMatchObject({
        code: 'format',
        message: expect.stringContaining(`line ${at} follows`),
      })
    }
  })

  it('is not repaired: the file stays as it was', async () => {
    const path = await filled(3)
    const text = (await readFile(path, 'utf8')).replace('"subject":"1"', '"subject":"7"')
    await writeFile(path, text)
    await expect(openJournal(path)).rejects.toMatchObject({ message: expect.stringContaining('line 2') })
    expect(await readFile(path, 'utf8')).toBe(text)
  })
})

it('is read in bounded memory: a file without line ends is refused', async () => {
  const path = await newPath()
  await writeFile(path, '')
  await truncate(path, 64 << 20)
  await expect(readJournal(path, () => {})).rejects.toMatchObject({ message: expect.stringContaining('longer than') })
})
