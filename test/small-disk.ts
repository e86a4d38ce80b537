import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needs } from './needs.ts'

/** A file system of its own, small enough to be filled. */
export interface SmallDisk {
  readonly dir: string
  /** To the last page. */
  fill(): void
  free(): void
  /** Makes it another size, or takes the right to write it away. */
  remount(options: string): void
  unmount(): void
}

/** Whether to skip what needs one, loudly. */
export function needsSmallDisk(name: string): boolean {
  return needs(name, canMount(), 'mounting a small tmpfs takes root and CAP_SYS_ADMIN')
}

let mountable: boolean | undefined
function canMount(): boolean {
  if (mountable !== undefined) return mountable
  try {
    openSmallDisk(1).unmount()
    mountable = true
  } catch {
    mountable = false
  }
  return mountable
}

export function openSmallDisk(mebibytes: number): SmallDisk {
  const dir = mkdtempSync(join(tmpdir(), 'bitfleet-disk-'))
  const options = `size=${mebibytes}m,mode=0700`
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'bitfleet-test', dir], { stdio: 'pipe' })
  } catch (error) {
    rmdirSync(dir)
    throw error
  }
  const filler = join(dir, 'filler')
  return {
    dir,
    fill() {
      const fd = openSync(filler, 'a')
      try {
        for (const size of [1 << 20, 1 << 12]) fillBy(fd, Buffer.alloc(size, 1))
      } finally {
        closeSync(fd)
      }
    },
    free: () => rmSync(filler, { force: true }),
    remount: (options) => void execFileSync('mount', ['-o', `remount,${options}`, dir], { stdio: 'pipe' }),
    // Whatever still has it open loses nothing by that; it goes with the last of them.
    unmount() {
      execFileSync('umount', ['--lazy', dir], { stdio: 'pipe' })
      rmdirSync(dir)
    },
  }
}

function fillBy(fd: number, block: Uint8Array): void {
  try {
    for (;;) writeSync(fd, block)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
