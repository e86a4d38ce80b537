import { rm } from 'node:fs/promises'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { type Database, type OpenDatabase, openDatabase } from './database.ts'
import type { JournalEnd, JournalLine } from './journal.ts'
import { enterRecords, type ReadRecord, readMark } from './record-index.ts'
import type { StoredRecord } from './records.ts'

/** Enters the journal into the index: in its order, and many lines in one transaction where many wait. */
export interface IndexWriter {
  /** A line read at opening; those that the index has are passed over. @throws `format` if it has another's */
  catchUp(line: JournalLine): Promise<void>
  /** After the last of them. @throws `format` if the index knows more than the journal */
  finish(end: JournalEnd): Promise<void>
  /**
   * A line just written. Called in the journal's order.
   *
   * @param fresh records that were just written, by digest
   */
  enter(line: JournalLine, fresh: ReadonlyMap<Digest, StoredRecord>): Promise<void>
  /** Enters what an earlier failure left. @throws why it still cannot be entered */
  settle(): Promise<void>
}

/** Lines that a transaction takes at opening. */
const batch = 256

/** Opens the index; one that cannot be opened any more is thrown away, as it can be made again. */
export async function openIndex(folder: string, log: (message: string) => void): Promise<OpenDatabase> {
  try {
    return await openDatabase(folder)
  } catch (error) {
    log(`the index ${folder} does not open (${messageOf(error)}); it is made again from the journal`)
    await rm(folder, { recursive: true, force: true })
    return await openDatabase(folder)
  }
}

/** @param ready called before each transaction; throws where the database is better left alone */
export async function createIndexWriter(
  database: Database,
  read: ReadRecord,
  ready: () => Promise<void> = async () => {},
): Promise<IndexWriter> {
  const mark = await readMark(database)
  let waiting: JournalLine[] = []
  let fresh = new Map<Digest, StoredRecord>()
  let writing: Promise<void> | undefined

  const readFresh = (async (digest: Digest, kind: StoredRecord['record']) => {
    const known = fresh.get(digest)
    return known?.record === kind ? known : read(digest, kind)
  }) as ReadRecord

  const write = async () => {
    let lines: JournalLine[] = []
    try {
      await ready()
      lines = [...waiting]
      await enterRecords(database, lines, readFresh)
    } finally {
      writing = undefined
    }
    // Those of a transaction that failed stay, and go before whatever comes next.
    waiting = waiting.slice(lines.length)
    if (waiting.length === 0) fresh = new Map()
  }
  const flush = async (sequence: number): Promise<void> => {
    while (waiting.some(({ record }) => record.sequence === sequence)) {
      writing ??= write()
      await writing
    }
  }

  return {
    async catchUp(line) {
      const { sequence } = line.record
      if (sequence === mark.sequence - 1 && line.hash !== mark.hash) {
        throw new BitfleetError(
          'format',
          `the index was made from another journal: line ${sequence + 1} differs; run \`bitfleet reindex\``,
        )
      }
      if (sequence < mark.sequence) return
      waiting.push(line)
      if (waiting.length >= batch) await flush(sequence)
    },
    async finish(end) {
      const last = waiting.at(-1)
      if (last) await flush(last.record.sequence)
      if (end.sequence >= mark.sequence) return
      throw new BitfleetError(
        'format',
        `the journal ends after ${end.sequence} records, and the index has ${mark.sequence}: its end was cut off; restore it from a copy, or run \`bitfleet reindex\` to go on without`,
      )
    },
    async enter(line, records) {
      for (const [digest, record] of records) fresh.set(digest, record)
      waiting.push(line)
      await flush(line.record.sequence)
    },
    async settle() {
      const last = waiting.at(-1)
      if (last) await flush(last.record.sequence)
    },
  }
}
