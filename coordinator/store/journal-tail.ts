import { type FileHandle, open } from 'node:fs/promises'
import type { JournalRecord } from './journal.ts'

export interface JournalTailOptions {
  /** Where to go on from, as an earlier call said; left out, the end. */
  readonly before?: number | undefined
  /** Most records to give. */
  readonly wanted: number
  readonly keep?: (record: JournalRecord) => boolean
  /** Most to read, whatever was kept of it. */
  readonly limitBytes?: number
}

export interface JournalTail {
  /** Newest first. */
  readonly records: readonly JournalRecord[]
  /** `before` of the records that come next; left out where there are none. */
  readonly before?: number
}

const blockBytes = 1 << 16
const lineFeed = 10

/**
 * Reads a journal from its end: what a person looks at first, at a cost that does not grow with what came before. The
 * chain is checked by whoever reads it from its beginning, as every start of a coordinator and `bitfleet fsck` do.
 */
export async function readJournalTail(
  path: string,
  { before, wanted, keep = () => true, limitBytes = 16 << 20 }: JournalTailOptions,
): Promise<JournalTail> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const end = Math.min(before ?? size, size)
    const records: JournalRecord[] = []
    let at = end
    for await (const { start, text } of linesBackwards(file, end)) {
      at = start
      const record = JSON.parse(text) as JournalRecord
      if (keep(record)) records.push(record)
      if (records.length >= wanted || end - at >= limitBytes) break
    }
    return at > 0 && at < end ? { records, before: at } : { records }
  } finally {
    await file.close()
  }
}

/** Whole lines before an offset, the last one first; what follows the last line feed is still being written. */
async function* linesBackwards(file: FileHandle, end: number): AsyncGenerator<{ start: number; text: string }> {
  /** Bytes [start, stop) of the file, of which nothing was given yet. */
  let [start, rest] = [end, Buffer.alloc(0) as Buffer]
  let whole = false
  for (;;) {
    // A line ends where the one after it begins: at the second feed from the end.
    const feed = whole ? rest.lastIndexOf(lineFeed, rest.length - 2) : rest.lastIndexOf(lineFeed)
    if (feed !== -1 && rest.length > 1) {
      if (whole) yield { start: start + feed + 1, text: rest.subarray(feed + 1, -1).toString() }
      rest = rest.subarray(0, feed + 1)
      whole = true
      continue
    }
    if (start === 0) {
      if (whole && rest.length > 1) yield { start: 0, text: rest.subarray(0, -1).toString() }
      return
    }
    const length = Math.min(blockBytes, start)
    const block = Buffer.alloc(length)
    await file.read(block, 0, length, start - length)
    start -= length
    rest = Buffer.concat([block, rest])
  }
}
