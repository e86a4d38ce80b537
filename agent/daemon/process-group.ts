import { readFileSync } from 'node:fs'

/** Kills every process of a group; none is left to kill when it is gone already. */
export function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Resident bytes of a process and its descendants, from `/proc`; undefined where the system does not say.
 *
 * @see proc_pid_status(5), proc_tid_children(5)
 */
export function readResidentBytes(pid: number): number | undefined {
  const own = /^VmRSS:\s*(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1]
  if (own === undefined) return undefined
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
  return children.reduce((sum, child) => sum + (readResidentBytes(child) ?? 0), Number(own) * 1024)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
