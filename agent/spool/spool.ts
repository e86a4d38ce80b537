import { mkdir, open, readdir, readFile, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import { bytesText } from '../../shared/bytes-text.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Job } from '../../shared/messages.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { ExecutionResult } from '../daemon/execution.ts'
import { type Aside, nameBefore, openAside } from './aside.ts'
import { makeDurableFolder, writeDurably } from './durable-file.ts'
import { type JobKey, parseRecordFileName, recordFileName } from './file-name.ts'
import { decodeRecord, encodeRecord, maxRecordBytes, type SpoolRecord } from './record.ts'
import { isPassing, readRegular, reasonOf } from './read-regular.ts'

/** Results on disk until the coordinator has acknowledged them. Holds an index in memory, never the results. */
export interface Spool {
  /**
   * Resolves once the result is on disk.
   *
   * @throws `limit` for one that no frame could carry, and what the operating system refuses: then nothing was kept
   */
  add(job: Job, result: ExecutionResult): Promise<void>
  /** Reads a result back. Undefined where it is not there, or turns out damaged: then it was set aside. */
  read(key: JobKey): Promise<SpoolRecord | undefined>
  has(key: JobKey): boolean
  /** Acknowledged: it is removed. */
  remove(key: JobKey): Promise<void>
  /** Refused by the coordinator for good: it is set aside in `refused/`. */
  reject(key: JobKey): Promise<void>
  /** What it holds, in the order of making. */
  keys(): JobKey[]
  /** Why no new work is to be taken now; undefined while there is room. */
  fullness(): string | undefined
  /** Whether the disk has room for an execution now. @throws what the operating system refuses, or how little there is */
  probe(): Promise<void>
  /** Results that were lost to damage, for the coordinator: they are to be made again. */
  damaged(): readonly Damaged[]
  usage(): SpoolUsage
}

export interface Damaged {
  /** As it is called in `damaged/`. */
  readonly file: string
  readonly reason: string
  /** As far as it can still be told. */
  readonly job?: string
  readonly attempt?: number
}

export interface SpoolUsage {
  readonly records: number
  readonly bytes: number
  readonly quotaRecords: number
  readonly quotaBytes: number
  /** Files in `damaged/` and `refused/`. */
  readonly damaged: number
  readonly refused: number
}

export interface SpoolOptions {
  readonly log: (line: string) => void
  /** What all results together may take before no new work is taken; old results are never dropped for it. */
  readonly quotaBytes?: number
  readonly quotaRecords?: number
}

export const defaultSpoolBytes = 2 ** 30
/** With less free on its disk, an execution that failed may have failed for that: no others are begun. */
const leastFreeBytes = 16 << 20
/** Some hundred bytes of memory each. */
export const defaultSpoolRecords = 20_000

/** What is set aside may be as large as results are. */
const asideBounds = { maxFiles: 100, maxBytes: 256 << 20 }
/** Damage told of; what is more is counted in the log. */
const mostDamaged = 10_000

interface Entry extends JobKey {
  readonly bytes: number
  readonly sequence: number
}

/**
 * Opens the spool of an agent and reads all of it back. One process at a time may have it: the agent's lock sees to it.
 *
 * @param folder made where it is not there; what is above it is
 * @throws what the operating system refuses of its folders, and never for what stands in them
 */
export async function openSpool(folder: string, options: SpoolOptions): Promise<Spool> {
  const { log, quotaBytes = defaultSpoolBytes, quotaRecords = defaultSpoolRecords } = options
  const results = join(folder, 'results')
  const drafts = join(folder, 'drafts')
  // Of processes that were ended while they wrote: promised to nobody.
  await rm(drafts, { recursive: true, force: true })
  for (const path of [folder, results, drafts]) await makeDurableFolder(path)
  const damagedAside = await openAside(join(folder, 'damaged'), asideBounds)
  const refusedAside = await openAside(join(folder, 'refused'), asideBounds)

  const index = new Map<string, Entry>()
  let usedBytes = 0
  let nextSequence = 0
  const lost: Damaged[] = await readEarlier(folder, damagedAside)

  const insert = (entry: Entry) => {
    const key = keyOf(entry)
    usedBytes += entry.bytes - (index.get(key)?.bytes ?? 0)
    index.delete(key)
    index.set(key, entry)
    nextSequence = Math.max(nextSequence, entry.sequence + 1)
  }
  const forget = (key: JobKey) => {
    usedBytes -= index.get(keyOf(key))?.bytes ?? 0
    index.delete(keyOf(key))
  }
  const pathOf = (key: JobKey) => join(results, recordFileName(key))

  const setAside = async (path: string | Buffer, name: string, reason: string, keys: readonly Partial<JobKey>[]) => {
    const file = await damagedAside.take(path, name).then(
      (kept) => {
        log(`spool: ${visibleLine(name)} is damaged and was set aside as damaged/${kept}: ${reason}`)
        return kept
      },
      (error: unknown) => {
        log(`spool: ${visibleLine(name)} is damaged: ${reason}; it cannot be set aside (${messageOf(error)})`)
        return name
      },
    )
    for (const key of keys.length === 0 ? [{}] : keys)
      if (lost.length < mostDamaged) lost.push({ file, reason, ...key })
  }

  await readBack(results, insert, setAside)
  const ordered = [...index.values()].sort((a, b) => a.sequence - b.sequence)
  index.clear()
  for (const entry of ordered) index.set(keyOf(entry), entry)

  const write = async (key: JobKey, bytes: Uint8Array) => {
    try {
      await writeDurably(drafts, pathOf(key), bytes)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      // Somebody cleaned up; the results are not theirs to lose.
      for (const path of [folder, results, drafts]) await makeDurableFolder(path)
      await writeDurably(drafts, pathOf(key), bytes)
    }
  }

  return {
    async add(job, result) {
      const sequence = nextSequence++
      const key = { job: job.id, attempt: job.attempt }
      const bytes = encodeRecord({ job, result, sequence })
      await write(key, bytes)
      insert({ ...key, bytes: bytes.byteLength, sequence })
    },
    async read({ job, attempt }) {
      const key = { job, attempt }
      const entry = index.get(keyOf(key))
      if (entry === undefined) return undefined
      const path = pathOf(key)
      try {
        return checkKey(decodeRecord(await readFile(path)), key)
      } catch (error) {
        if (isPassing(error)) throw error
        // Acknowledged while it was being read.
        if (index.get(keyOf(key)) !== entry) return undefined
        forget(key)
        await setAside(path, recordFileName(key), reasonOf(error), [key])
        return undefined
      }
    },
    has: (key) => index.has(keyOf(key)),
    async remove(key) {
      if (!index.has(keyOf(key))) return
      forget(key)
      await rm(pathOf(key), { force: true }).catch((error: unknown) => {
        log(`spool: ${recordFileName(key)} is done with and cannot be removed: ${messageOf(error)}`)
      })
    },
    async reject(key) {
      if (!index.has(keyOf(key))) return
      forget(key)
      await refusedAside.take(pathOf(key), recordFileName(key)).catch((error: unknown) => {
        log(`spool: ${recordFileName(key)} was refused and cannot be set aside: ${messageOf(error)}`)
      })
    },
    keys: () => [...index.values()].map(({ job, attempt }) => ({ job, attempt })),
    fullness() {
      if (usedBytes < quotaBytes && index.size < quotaRecords) return undefined
      const held = `${index.size} results (${bytesText(usedBytes)}) that the coordinator has not acknowledged`
      return `the spool of this agent is full: it holds ${held}, its quota is ${quotaRecords} results and ${bytesText(quotaBytes)}`
    },
    async probe() {
      const path = join(drafts, 'probe')
      await mkdir(drafts, { recursive: true, mode: 0o700 })
      const { bavail, blocks, bsize } = await statfs(drafts)
      if (blocks > 0 && bavail * bsize < leastFreeBytes) {
        throw new Error(`${bytesText(bavail * bsize)} are free, ${bytesText(leastFreeBytes)} are needed`)
      }
      const file = await open(path, 'w', 0o600)
      try {
        await file.writeFile(Buffer.alloc(64 << 10, 1))
        await file.sync()
      } finally {
        await file.close()
        await rm(path, { force: true })
      }
    },
    damaged: () => [...lost],
    usage: () => ({
      records: index.size,
      bytes: usedBytes,
      quotaRecords,
      quotaBytes,
      damaged: damagedAside.names().length,
      refused: refusedAside.names().length,
    }),
  }
}

/** One after the other, so that no more than one result is in memory. */
async function readBack(
  results: string,
  insert: (entry: Entry) => void,
  setAside: (path: Buffer, name: string, reason: string, keys: readonly Partial<JobKey>[]) => Promise<void>,
): Promise<void> {
  // As bytes: a damaged folder may hold names that are no text.
  for (const raw of await readdir(results, { encoding: 'buffer' })) {
    const path = Buffer.concat([Buffer.from(`${results}/`), raw])
    const name = raw.toString('utf8')
    const named = parseRecordFileName(name)
    try {
      const bytes = await readRegular(path, maxRecordBytes)
      const record = decodeRecord(bytes)
      const key = { job: record.job.id, attempt: record.job.attempt }
      if (recordFileName(key) === name) insert({ ...key, bytes: bytes.byteLength, sequence: record.sequence })
      // The result is whole and its name is another's: both attempts may be missed.
      else
        await setAside(
          path,
          name,
          `it is the result of ${visibleLine(key.job)}, attempt ${key.attempt}`,
          both(key, named),
        )
    } catch (error) {
      if (isPassing(error)) throw error
      await setAside(path, name, reasonOf(error), named === undefined ? [] : [named])
    }
    await breathe()
  }
}

function both(key: JobKey, named: Partial<JobKey> | undefined): Partial<JobKey>[] {
  return named?.job === undefined ? [key] : [key, named]
}

/** What earlier processes set aside is told of again, as nobody knows whether the coordinator heard it. */
async function readEarlier(folder: string, aside: Aside): Promise<Damaged[]> {
  const found: Damaged[] = []
  for (const file of aside.names()) {
    const reason = await readRegular(join(folder, 'damaged', file), maxRecordBytes).then(
      (bytes) => {
        try {
          const { job } = decodeRecord(bytes)
          return `it is the result of ${visibleLine(job.id)}, attempt ${job.attempt}, under another name`
        } catch (error) {
          return reasonOf(error)
        }
      },
      (error: unknown) => reasonOf(error),
    )
    found.push({ file, reason, ...parseRecordFileName(nameBefore(file)) })
  }
  return found
}

function checkKey(record: SpoolRecord, { job, attempt }: JobKey): SpoolRecord {
  if (record.job.id === job && record.job.attempt === attempt) return record
  throw new Error(`it is the result of ${visibleLine(record.job.id)}, attempt ${record.job.attempt}`)
}

function keyOf({ job, attempt }: JobKey): string {
  return `${attempt}/${job}`
}
