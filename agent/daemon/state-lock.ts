import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BitfleetError } from '../../shared/errors.ts'

/**
 * Takes a state folder for this process: two daemons with one key would be one agent in two places.
 *
 * @returns gives it free again
 * @throws `conflict` while another living process holds it
 */
export function lockStateDir(stateDir: string): () => void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const file = join(stateDir, 'agent.pid')
  const mine = `${process.pid} ${startOf(process.pid)}\n`
  const draft = `${file}.${process.pid}`
  for (;;) {
    const holder = read(file)
    if (holder !== undefined && isAlive(holder)) {
      const pid = holder.split(' ')[0]
      throw new BitfleetError(
        'conflict',
        `the agent of ${stateDir} runs already, as process ${pid}; another on this machine needs --name OTHER or a BITFLEET_STATE of its own`,
      )
    }
    if (holder !== undefined) removeStale(file, holder)
    // Written whole and then linked: a lock that stands has its content, and only one process can make it.
    writeFileSync(draft, mine)
    try {
      linkSync(draft, file)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(draft, { force: true })
    }
  }
  return () => {
    if (read(file) === mine) rmSync(file, { force: true })
  }
}

/** Takes the lock of a dead process away, and nobody else's. */
function removeStale(file: string, holder: string): void {
  const aside = `${file}.stale.${process.pid}`
  try {
    renameSync(file, aside)
    if (read(aside) !== holder) linkSync(aside, file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

/** A process id alone may have been given to another process since. */
function isAlive(holder: string): boolean {
  const [pid, start] = holder.trim().split(' ')
  if (!/^\d+$/.test(pid ?? '')) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return startOf(Number(pid)) === start
}

/** When a process started, in ticks since boot; a dash where the system does not say. @see proc_pid_stat(5) */
function startOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-'
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
