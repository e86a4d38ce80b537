import { readSync, writeSync } from 'node:fs'

// Synchronous on purpose: a line that was written is in the pipe before the next operation runs, so that a crash right
// after loses nothing of what was said before.

const tick = new Int32Array(new SharedArrayBuffer(4))

/** Waits for a non-blocking pipe without spinning. */
function pause(): void {
  Atomics.wait(tick, 0, 0, 1)
}

function isAgain(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN'
}

/** Writes a value as one whole line of JSON. */
export function writeLine(fd: number, value: unknown): void {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`)
  for (let at = 0; at < bytes.byteLength; ) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      if (!isAgain(error)) throw error
      pause()
    }
  }
}

/** Reads up to the first line feed or the end. */
export function readLine(fd: number): string {
  const pieces: Buffer[] = []
  for (;;) {
    const piece = Buffer.alloc(1 << 16)
    try {
      const count = readSync(fd, piece)
      const read = piece.subarray(0, count)
      const end = read.indexOf(10)
      pieces.push(end < 0 ? read : read.subarray(0, end))
      if (count === 0 || end >= 0) return Buffer.concat(pieces).toString('utf8')
    } catch (error) {
      if (!isAgain(error)) throw error
      pause()
    }
  }
}
