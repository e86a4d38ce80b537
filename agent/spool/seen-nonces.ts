import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sha256Hex } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'
import { writeDurably } from './durable-file.ts'
import { isPassing, readRegular, reasonOf } from './read-regular.ts'

/** Nonces of jobs that were begun, until no coordinator would stand by those jobs any more: a job is taken once. */
export interface SeenNonces {
  has(nonce: string): boolean
  /**
   * Resolves once the nonce is on disk.
   *
   * @param expiresAt of its job, ISO 8601 by the coordinator's clock
   * @throws `protocol` for what is no nonce or no time, and what the operating system refuses: then it is not seen
   */
  add(nonce: string, expiresAt: string): Promise<void>
  /** Why no more can be remembered now. None is forgotten for another. */
  fullness(): string | undefined
  close(): Promise<void>
}

export interface SeenNoncesOptions {
  readonly log: (line: string) => void
  /** The coordinator's clock in ms since 1970, or the nearest to it that is known. */
  readonly now?: () => number
  readonly maxNonces?: number
}

/** Kept for so long after they expired, so that a clock that is set back does not make an old job new. */
const graceMs = 60 * 60_000
const linePattern = /^([0-9a-f]{32}) (\S{20,30}) ([0-9a-f]{16})$/
/** A file of this many lines more than it needs is written anew. */
const slackLines = 1024
const largestFile = 64 << 20

/**
 * A file of lines `NONCE EXPIRES CHECK`, CHECK the first 16 hex digits of the SHA-256 of what stands before it and the
 * blank. A line that is damaged is left out and said in the log.
 *
 * @param drafts folder on the same file system
 */
export async function openSeenNonces(file: string, drafts: string, options: SeenNoncesOptions): Promise<SeenNonces> {
  const { log, now = Date.now, maxNonces = 50_000 } = options
  /** When each expires, in ms. */
  const seen = new Map<string, number>()
  let lines = 0
  let damagedLines = 0
  const text = await readWhatIsThere(file, log)
  for (const line of text.split('\n')) {
    if (line === '') continue
    lines++
    const [, nonce, expiresAt, check] = linePattern.exec(line) ?? []
    if (nonce && expiresAt && check === checkOf(`${nonce} ${expiresAt}`) && Number.isFinite(Date.parse(expiresAt)))
      seen.set(nonce, Date.parse(expiresAt))
    else damagedLines++
  }
  if (damagedLines > 0) {
    log(
      `spool: ${damagedLines} lines of ${file} are damaged: as many jobs that were taken before could be taken again if somebody kept and repeated them`,
    )
  }

  let handle: FileHandle | undefined
  /** Whether the file may end within a line. */
  let torn = text !== '' && !text.endsWith('\n')
  const openAgain = async () => {
    await handle?.close().catch(() => {})
    handle = undefined
    handle = await open(file, 'a', 0o600)
    await syncFolder(dirname(file))
  }
  const compact = async () => {
    const whole = [...seen].map(([nonce, expires]) => lineOf(nonce, expires)).join('')
    await writeDurably(drafts, file, Buffer.from(whole))
    lines = seen.size
    nextForget = lines + slackLines / 4
    torn = false
    await openAgain()
  }
  let nextForget = 0
  const forgetExpired = () => {
    const horizon = now() - graceMs
    for (const [nonce, expires] of seen) if (expires < horizon) seen.delete(nonce)
  }

  const append = async (more: string) => {
    if (handle === undefined) await openAgain()
    try {
      await (handle as FileHandle).writeFile(torn ? `\n${more}` : more)
      await (handle as FileHandle).sync()
      torn = false
    } catch (error) {
      torn = true
      throw error
    }
  }

  interface Waiting {
    readonly nonce: string
    readonly expires: number
    readonly resolve: () => void
    readonly reject: (error: unknown) => void
  }
  let waiting: Waiting[] = []
  let writing: Promise<void> | undefined
  /** Those that came while others were being written share one write. */
  const writeWaiting = async () => {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        if (lines >= nextForget) {
          forgetExpired()
          nextForget = lines + slackLines / 4
        }
        if (lines > 2 * seen.size + slackLines) await compact()
        else {
          await append(batch.map(({ nonce, expires }) => lineOf(nonce, expires)).join(''))
          lines += batch.length
        }
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { nonce, reject } of batch) {
          seen.delete(nonce)
          reject(error)
        }
      }
    }
    writing = undefined
  }

  // Mended now where it can be; else the next line begins anew.
  if (torn || damagedLines > 0)
    await compact().catch((error: unknown) => log(`spool: ${file} cannot be mended: ${messageOf(error)}`))

  return {
    has: (nonce) => seen.has(nonce),
    async add(nonce, expiresAt) {
      const expires = Date.parse(expiresAt)
      if (!/^[0-9a-f]{32}$/.test(nonce) || !Number.isFinite(expires))
        throw new BitfleetError('protocol', 'a job carries a nonce of 32 hex digits and the time when it expires')
      await new Promise<void>((resolve, reject) => {
        seen.set(nonce, expires)
        waiting.push({ nonce, expires, resolve, reject })
        writing ??= writeWaiting()
      })
    },
    fullness() {
      if (seen.size < maxNonces) return undefined
      forgetExpired()
      if (seen.size < maxNonces) return undefined
      return `this agent took ${seen.size} jobs that have not expired, and remembers no more of them; it takes others when those expire`
    },
    async close() {
      await writing
      await handle?.close().catch(() => {})
      handle = undefined
    },
  }
}

function lineOf(nonce: string, expires: number): string {
  const text = `${nonce} ${new Date(expires).toISOString()}`
  return `${text} ${checkOf(text)}\n`
}

function checkOf(text: string): string {
  return sha256Hex(text).slice(0, 16)
}

/** A file that cannot be one of ours is moved out of the way. */
async function readWhatIsThere(file: string, log: (line: string) => void): Promise<string> {
  try {
    return (await readRegular(file, largestFile)).toString('latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    if (isPassing(error)) throw error
    log(`spool: ${file} is damaged and was moved to ${file}.damaged: ${reasonOf(error)}`)
    await rename(file, `${file}.damaged`)
    return ''
  }
}
