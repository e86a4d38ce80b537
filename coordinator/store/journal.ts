import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { sha256Hex } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'
import { type JournalBody, journalBodySchema } from './journal-body.ts'

/** One line: what happened, where it stands, and the line before it. */
export type JournalRecord = JournalBody & {
  /** From 0, without a gap. */
  readonly sequence: number
  /** SHA-256 of the line before, its LF included, bare hex; empty in the first. */
  readonly previous: string
  /** Wall clock, ISO 8601; no order is taken from it. */
  readonly at: string
  /** SHA-256 of this record without this member, bare hex, so that the last line is checked like those before it. */
  readonly digest: string
}

/** A record as it stands in the file. */
export interface JournalLine {
  readonly record: JournalRecord
  /** SHA-256 of the line, its LF included, bare hex. */
  readonly hash: string
}

/** Where a chain ends. */
export interface JournalEnd {
  /** Of the next record. */
  readonly sequence: number
  /** Of the last line, bare hex. */
  readonly hash: string
  /** Length of the whole lines. */
  readonly bytes: number
  /** What follows them without an end of its own: a record that was being written. */
  readonly tornBytes: number
}

/**
 * What a coordinator states, in order, for ever: an append-only file of canonical JSON, a record a line, each naming
 * the digest of the line before. One file, read as a stream: what is large stands in records of its own.
 */
export interface Journal {
  /** Resolves once the record is on disk, in order. Appends that come while others are written share one write. */
  append(body: JournalBody): Promise<JournalLine>
  /** Where it ended when it was opened. */
  readonly start: JournalEnd
  /** Where the torn last record of an earlier process was set aside. */
  readonly tornFile?: string
  close(): Promise<void>
}

/** More than any record has; a file without line ends is not read into memory. */
export const maxLineBytes = 1 << 20

/**
 * Reads a journal and its chain; a reader beside the writer sees whole records only.
 *
 * @param visit called with each record, one at a time
 * @throws `format` naming the line where the chain breaks; `not-found`
 */
export async function readJournal(
  path: string,
  visit: (line: JournalLine) => void | Promise<void>,
): Promise<JournalEnd> {
  let [sequence, hash, bytes] = [0, '', 0]
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let start = 0
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10, start)) {
        const line = rest.subarray(start, end + 1)
        const record = readLine(line, sequence, hash, path)
        start = end + 1
        sequence++
        hash = sha256Hex(line)
        bytes += line.length
        await visit({ record, hash })
      }
      rest = rest.subarray(start)
      if (rest.length > maxLineBytes) throw broken(path, sequence, `is longer than ${maxLineBytes} bytes`)
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new BitfleetError('not-found', `there is no journal ${path}`, { cause })
  }
  // A record cut short by a crash lacks its end. One that is whole but for its LF was acknowledged, and then damaged.
  if (rest.length > 0 && isRecord(rest.subarray(0, -1), sequence, hash, path)) {
    throw broken(path, sequence, 'does not end in a line feed')
  }
  return { sequence, hash, bytes, tornBytes: rest.length }
}

function isRecord(text: Buffer, sequence: number, previous: string, path: string): boolean {
  try {
    readLine(Buffer.concat([text, Buffer.from('\n')]), sequence, previous, path)
    return true
  } catch {
    return false
  }
}

function readLine(line: Buffer, sequence: number, previous: string, path: string): JournalRecord {
  const text = line.subarray(0, -1).toString()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw broken(path, sequence, 'is not JSON')
  }
  const { sequence: number, previous: before, at, digest, ...body } = value as Record<string, unknown>
  if (before !== previous) {
    const expected = sequence === 0 ? 'nothing' : `${previous}, the digest of the line before`
    throw broken(path, sequence, `follows ${JSON.stringify(before)} and not ${expected}`)
  }
  if (number !== sequence) throw broken(path, sequence, `has the sequence number ${JSON.stringify(number)}`)
  const parsed = journalBodySchema.safeParse(body)
  if (!parsed.success || typeof at !== 'string') {
    const issue = parsed.error?.issues[0]
    throw broken(path, sequence, `is no record this Bitfleet knows: ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const record = sealRecord(parsed.data, sequence, previous, at)
  if (record.digest !== digest) throw broken(path, sequence, `has the digest ${record.digest} and says another`)
  if (canonicalJson(record) !== text) throw broken(path, sequence, 'is not in canonical form')
  return record
}

function sealRecord(body: JournalBody, sequence: number, previous: string, at: string): JournalRecord {
  const record = { ...body, sequence, previous, at }
  return { ...record, digest: sha256Hex(canonicalJson(record)) }
}

function broken(path: string, sequence: number, what: string): BitfleetError {
  return new BitfleetError(
    'format',
    `${path}: line ${sequence + 1} ${what}; it was changed after it was written, or lines about it were: restore the journal from a copy`,
  )
}

/**
 * Opens a journal to go on with, made if there is none; every record so far is visited. A torn last record, which
 * nobody was told of, is moved into a file beside it.
 *
 * @throws `format` where the chain is broken
 */
export async function openJournal(
  path: string,
  visit: Parameters<typeof readJournal>[1] = () => {},
  clock: () => Date = () => new Date(),
): Promise<Journal> {
  const file = await openOrCreate(path)
  try {
    const end = await readJournal(path, visit)
    const tornFile = end.tornBytes > 0 ? await setAside(path, file, end) : undefined
    const journal = createWriter(path, file, end, clock)
    return tornFile === undefined ? journal : { ...journal, tornFile }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Writes go to a place of our own choosing: the end that was verified. */
async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const file = await open(path, 'wx+', 0o600)
  await file.sync()
  await syncFolder(dirname(path))
  return file
}

async function setAside(path: string, file: FileHandle, { bytes, tornBytes }: JournalEnd): Promise<string> {
  const torn = Buffer.alloc(tornBytes)
  await file.read(torn, 0, tornBytes, bytes)
  const name = `${path}.torn-${bytes}-${sha256Hex(torn).slice(0, 8)}`
  const draft = `${path}.${randomUUID()}`
  const copy = await open(draft, 'wx', 0o600)
  await copy.writeFile(torn)
  await copy.sync()
  await copy.close()
  await rename(draft, name)
  await syncFolder(dirname(path))
  await file.truncate(bytes)
  await file.sync()
  return name
}

interface Waiting {
  readonly body: JournalBody
  readonly at: string
  readonly resolve: (line: JournalLine) => void
  readonly reject: (error: unknown) => void
}

function createWriter(path: string, file: FileHandle, end: JournalEnd, clock: () => Date): Journal {
  let { sequence, hash, bytes } = end
  let waiting: Waiting[] = []
  let writing: Promise<void> | undefined
  /** Why nothing more can be written. */
  let failure: BitfleetError | undefined

  const writeBatch = async (batch: readonly Waiting[]) => {
    if (failure) throw failure
    const written: JournalLine[] = []
    const lines: string[] = []
    let [nextSequence, nextHash] = [sequence, hash]
    for (const { body, at } of batch) {
      const record = sealRecord(body, nextSequence++, nextHash, at)
      const line = `${canonicalJson(record)}\n`
      lines.push(line)
      nextHash = sha256Hex(line)
      written.push({ record, hash: nextHash })
    }
    const text = Buffer.from(lines.join(''))
    try {
      for (let at = 0; at < text.length; ) {
        at += (await file.write(text, at, text.length - at, bytes + at)).bytesWritten
      }
    } catch (error) {
      // A full disk: what was written of it must not stand before what comes next.
      await file.truncate(bytes).catch((cause: unknown) => fail(cause))
      throw new BitfleetError('system', `${path}: not written: ${messageOf(error)}`, { cause: error })
    }
    // After a failed fsync nobody knows what is on disk; only reading it again tells.
    await file.datasync().catch((cause: unknown) => fail(cause))
    if (failure) throw failure
    ;[sequence, hash, bytes] = [nextSequence, nextHash, bytes + text.length]
    return written
  }
  const fail = (cause: unknown) => {
    failure = new BitfleetError(
      'system',
      `${path}: ${messageOf(cause)}; what is on disk is not known any more, start the coordinator again`,
      { cause },
    )
  }
  const drain = async () => {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        const written = await writeBatch(batch)
        batch.forEach(({ resolve }, i) => resolve(written[i] as JournalLine))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    writing = undefined
  }

  return {
    start: end,
    append(body) {
      // Thrown here for what cannot be said, so that it fails alone and not with those it shares a write with.
      const at = clock().toISOString()
      checkBody(body)
      return new Promise((resolve, reject) => {
        waiting.push({ body, at, resolve, reject })
        writing ??= Promise.resolve().then(drain)
      })
    },
    async close() {
      await writing
      await file.close()
    },
  }
}

function checkBody(body: JournalBody): void {
  const text = canonicalJson(journalBodySchema.parse(body))
  // Sequence number, digest and time take less than the margin.
  if (Buffer.byteLength(text) <= maxLineBytes - 1024) return
  throw new BitfleetError('limit', `a journal record of ${Buffer.byteLength(text)} bytes is longer than a line may be`)
}
