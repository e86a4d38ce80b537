import { closeSync, openSync, readFileSync } from 'node:fs'
import { type NativeLibrary, isLibrary, openLibrary } from '../native/library.ts'

/** What native code prints on standard output, taken aside so that it can be read. */
export interface StandardOutput {
  /** All that was printed so far. */
  read(): string
  /** Drops what is printed from now on. */
  drop(): void
  /** Puts the process's own standard output back. */
  restore(): void
}

/** The C library of this process; undefined where it cannot be called. */
export function openC(): NativeLibrary | undefined {
  const library = openLibrary([null])
  return isLibrary(library) && ['dup', 'dup2', 'fflush', 'setenv'].every((name) => library.has(name))
    ? library
    : undefined
}

/**
 * Points descriptor 1 at a file. Libraries print there by C's `stdout`, which knows nothing of JavaScript's streams.
 *
 * @param file made anew; the runner's own temporary folder is gone when the runner is
 */
export function captureStandardOutput(c: NativeLibrary, file: string): StandardOutput {
  const duplicate = c.bind('dup', 'int', ['int']) as (fd: number) => number
  const duplicateTo = c.bind('dup2', 'int', ['int', 'int']) as (from: number, to: number) => number
  const flush = c.bind('fflush', 'int', ['void *']) as (stream: null) => number
  const pointAt = (path: string, flags: string) => {
    flush(null)
    const fd = openSync(path, flags, 0o600)
    duplicateTo(fd, 1)
    closeSync(fd)
  }
  const own = duplicate(1)
  pointAt(file, 'w')
  return {
    read() {
      flush(null)
      return readFileSync(file, 'utf8')
    },
    drop() {
      pointAt('/dev/null', 'w')
    },
    restore() {
      flush(null)
      duplicateTo(own, 1)
      closeSync(own)
    },
  }
}
