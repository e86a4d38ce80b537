import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openJournal } from './journal.ts'
import { readJournalTail } from './journal-tail.ts'

let folder: string
let path: string
const count = 1200
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bitfleet-tail-'))
  path = join(folder, 'journal.jsonl')
  const journal = await openJournal(path)
  // Lines of many lengths, longer in all than several blocks, one of them longer than a block.
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      journal.append(
        i % 3 === 0
          ? { kind: 'cancel', by: 'api', run: `run-${i}` }
          : {
              kind: 'audit',
              by: 'é'.repeat(i % 97),
              action: 'did',
              subject: i === 700 ? 'x'.repeat(200_000) : String(i),
            },
      ),
    ),
  )
  await journal.close()
})
afterAll(() => rm(folder, { recursive: true }))

async function pages(options: Omit<Parameters<typeof readJournalTail>[1], 'before'>) {
  const found: number[][] = []
  let before: number | undefined
  do {
    const page = await readJournalTail(path, { ...options, before })
    found.push(page.records.map(({ sequence }) => sequence))
    before = page.before
  } while (before !== undefined)
  return found
}
const all = Array.from({ length: count }, (_, i) => count - 1 - i)

describe('a journal read from its end', () => {
  it.each([1, 7, 100, 1200, 5000])('comes whole and in order, by pages of %i', async (wanted) => {
    const found = await pages({ wanted })
    expect(found.flat()).toEqual(all)
    expect(found[0]).toHaveLength(Math.min(wanted, count))
  })

  it('gives what is asked for, and stops where it has read enough', async () => {
    const keep = ({ kind }: { kind: string }) => kind === 'cancel'
    const found = await pages({ wanted: 50, keep, limitBytes: 10_000 })
    expect(found.flat()).toEqual(all.filter((i) => i % 3 === 0))
    expect(Math.max(...found.map(({ length }) => length))).toBeLessThan(50)
    const none = await readJournalTail(path, { wanted: 5, keep: () => false, limitBytes: 10_000 })
    expect(none).toEqual({ records: [], before: expect.any(Number) })
  })

  it('leaves out what is being written, and takes no offset for more than it is', async () => {
    const { size } = await stat(path)
    await appendFile(path, '{"half":')
    expect((await readJournalTail(path, { wanted: 2 })).records.map(({ sequence }) => sequence)).toEqual([1199, 1198])
    // In the middle of a line: it counts as one that is being written.
    expect((await readJournalTail(path, { wanted: 1, before: size - 5 })).records[0]?.sequence).toBe(1198)
    expect(await readJournalTail(path, { wanted: 1, before: 0 })).toEqual({ records: [] })
    expect((await readJournalTail(path, { wanted: 1, before: size * 9 })).records[0]?.sequence).toBe(1199)
  })
})
