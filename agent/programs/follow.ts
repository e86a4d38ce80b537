import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { traceFile } from './trace-line.ts'
import { decodeUtf8 } from '../../shared/utf8.ts'

// What a program leaves in its folder, read while it writes. The folder is the program's: nothing in it is followed,
// and only regular files are read.

const maxLineBytes = 1 << 20
const maxTraceBytes = 64 << 20
const pieceBytes = 256 << 10

export interface Follower {
  /** The whole lines that were added since, a bounded number of them; none when there is nothing new. */
  readLines(): string[]
  /** Bytes that the trace has now; 0 if it is not there. */
  size(): number
  /** Bytes behind the last whole line. */
  unended(): number
  /** @throws `workload` where another file stands in the trace's place: what was written to it was not read */
  checkPlace(): void
  close(): void
}

/** Follows a folder's trace from its beginning, be it there yet or not. */
export function followTrace(folder: string): Follower {
  const path = join(folder, traceFile)
  let descriptor: number | undefined
  let offset = 0
  let pending: Buffer = Buffer.alloc(0)

  const read = (): Buffer => {
    descriptor ??= openRegular(path)
    if (descriptor === undefined) return Buffer.alloc(0)
    if (fstatSync(descriptor).size < offset) {
      throw new BitfleetError('workload', `${traceFile} got shorter; lines are appended to it, and none is taken back`)
    }
    const piece = Buffer.alloc(pieceBytes)
    const bytes = readSync(descriptor, piece, 0, pieceBytes, offset)
    offset += bytes
    if (offset > maxTraceBytes) throw new BitfleetError('limit', `${traceFile} is over ${maxTraceBytes} bytes`)
    return piece.subarray(0, bytes)
  }

  return {
    readLines() {
      const piece = read()
      const end = piece.lastIndexOf(10)
      const whole = end < 0 ? undefined : Buffer.concat([pending, piece.subarray(0, end)])
      pending = end < 0 ? Buffer.concat([pending, piece]) : Buffer.from(piece.subarray(end + 1))
      if (pending.byteLength > maxLineBytes) {
        throw new BitfleetError('limit', `a line of ${traceFile} is over ${maxLineBytes} bytes`)
      }
      return whole === undefined ? (piece.byteLength > 0 ? this.readLines() : []) : decode(whole).split('\n')
    },
    size() {
      descriptor ??= openRegular(path)
      return descriptor === undefined ? 0 : fstatSync(descriptor).size
    },
    unended: () => pending.byteLength,
    checkPlace() {
      if (descriptor === undefined) return
      const [read, there] = [fstatSync(descriptor), lstatSync(path, { throwIfNoEntry: false })]
      if (there === undefined) throw new BitfleetError('workload', goneText(folder))
      if (there.ino === read.ino && there.dev === read.dev) return
      throw new BitfleetError(
        'workload',
        'another file was put in its place; lines are appended to the one that is there',
      )
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor)
    },
  }
}

/** What happened to a file that is not there any more. */
function goneText(folder: string): string {
  const what = existsSync(folder) ? 'it was removed' : 'its folder, BITFLEET_OUT, was removed'
  return `${what} while the program ran; leave it there, Bitfleet removes it when the program has ended`
}

function decode(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes)
  } catch (cause) {
    throw new BitfleetError('workload', `${traceFile} is not UTF-8`, { cause })
  }
}

/** Undefined where there is nothing of this name. */
function openRegular(path: string): number | undefined {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new BitfleetError('workload', code === 'ELOOP' ? 'it is a link, and none is followed' : messageOf(cause), {
      cause,
    })
  }
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  throw new BitfleetError('workload', 'it is no regular file')
}

/**
 * All of a file of the program's folder, which is removed then.
 *
 * @throws `workload` where it is not there, or is none; `limit`
 */
export function takeFile(folder: string, name: string, maxBytes: number): Uint8Array {
  const path = join(folder, name)
  const descriptor = openRegular(path)
  if (descriptor === undefined) throw new BitfleetError('workload', 'it is not in BITFLEET_OUT')
  try {
    const { size } = fstatSync(descriptor)
    if (size > maxBytes)
      throw new BitfleetError('limit', `it has ${size} bytes, more than the ${maxBytes} that are read`)
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size; ) {
      const count = readSync(descriptor, bytes, at, size - at, at)
      if (count === 0) throw new BitfleetError('workload', 'it got shorter while it was read')
      at += count
    }
    unlinkSync(path)
    return bytes
  } finally {
    closeSync(descriptor)
  }
}

/** What lies in the folder beside the trace. */
export function leftFiles(folder: string): string[] {
  if (!existsSync(folder)) throw new BitfleetError('workload', goneText(folder))
  return readdirSync(folder).filter((name) => name !== traceFile)
}
