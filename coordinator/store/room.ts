import { randomUUID } from 'node:crypto'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesText } from '../../shared/bytes-text.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'

/**
 * Whether the disk of a store takes writes. Some of it is kept free, because the embedded database does not survive a
 * disk that is full when it needs its next log segment (16 MiB): the process spins. So files are refused first, and the
 * database is left alone before it could notice.
 */
export interface Room {
  /** For files. @throws `unavailable` while there is no room */
  check(): Promise<void>
  /** For the index, which may go on a little longer, with what was written already. @throws `unavailable` */
  checkForIndex(): Promise<void>
  /** A write failed: where that was for want of room, or the disk is failing, none is tried until the disk takes some again. */
  noteFailure(error: unknown): void
  /** Why nothing can be written now, for a person; undefined while it can. */
  trouble(): string | undefined
  close(): void
}

export interface RoomOptions {
  readonly log: (message: string) => void
  /** What files leave free, in bytes. */
  readonly reserveBytes?: number
  /** How often a disk in trouble is tried. */
  readonly retryMs?: number
  /** What has to succeed besides, before writes are taken again. */
  readonly recover?: () => Promise<void>
  /** Bytes that can be written below a folder; undefined where the file system does not say. */
  readonly freeBytes?: (folder: string) => Promise<number | undefined>
}

/** Three segments of the database's log, and something for what is under way. */
export const defaultReserveBytes = 64 << 20
/** How old an answer of the file system may be for a file of a few kilobytes. */
const freshMs = 200
const probeBytes = 64 << 10

/** @param folder of the store; `scratch` is emptied at start */
export function createRoom(folder: string, scratch: string, options: RoomOptions): Room {
  const { log, reserveBytes = defaultReserveBytes, retryMs = 2_000, recover = async () => {} } = options
  const { freeBytes = readFreeBytes } = options
  let trouble: string | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false
  let known: { at: number; free: number } | undefined

  const readFree = async () => {
    const free = (await freeBytes(folder)) ?? Number.POSITIVE_INFINITY
    known = { at: performance.now(), free }
    return free
  }
  const tooLittle = (free: number) =>
    `the store takes nothing now: its disk has ${bytesText(free)} free, and ${bytesText(reserveBytes)} are left to the database; make room there`

  const enter = (why: string) => {
    if (trouble === undefined) log(`${why}; it goes on by itself once there is (${folder})`)
    trouble = why
    if (!closed) retry ??= setTimeout(() => void tryAgain(), retryMs).unref()
  }
  const tryAgain = async () => {
    retry = undefined
    try {
      const free = await readFree()
      // A little more than was too little, so that it does not come and go.
      if (free < reserveBytes * 1.25) return enter(tooLittle(free))
      await probe(scratch)
      await recover()
      trouble = undefined
      log('the store takes writes again')
    } catch (error) {
      enter(refusedBy(error))
    }
  }
  const refuse = (why: string) => new BitfleetError('unavailable', why)

  return {
    async check() {
      if (trouble !== undefined) throw refuse(trouble)
      const free = known && performance.now() - known.at < freshMs ? known.free : await readFree()
      if (free >= reserveBytes) return
      enter(tooLittle(free))
      throw refuse(tooLittle(free))
    },
    async checkForIndex() {
      const free = await readFree()
      if (free >= reserveBytes / 2) return
      enter(tooLittle(free))
      throw refuse(tooLittle(free))
    },
    noteFailure(error) {
      const cause = causeOnDisk(error)
      if (cause !== undefined) enter(refusedBy(cause))
    },
    trouble: () => trouble,
    close() {
      closed = true
      clearTimeout(retry)
    },
  }
}

function refusedBy(error: unknown): string {
  return `the store takes nothing now: its disk refuses writes (${messageOf(error)}); see to it`
}

/** What the operating system said of the disk, or PostgreSQL: class 53, insufficient resources; 58, system error. */
function causeOnDisk(error: unknown): unknown {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  if (typeof code === 'string' && /^(ENOSPC|EDQUOT|EROFS|EIO|53\d\d\d|58\d\d\d)$/.test(code)) return error
  return cause === undefined ? undefined : causeOnDisk(cause)
}

async function readFreeBytes(folder: string): Promise<number | undefined> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return blocks === 0 ? undefined : bavail * bsize
}

/** Whether the disk takes a small file. @throws what the operating system refuses */
async function probe(scratch: string): Promise<void> {
  const path = join(scratch, `probe-${randomUUID()}`)
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(Buffer.alloc(probeBytes, 1))
    await file.sync()
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
}
