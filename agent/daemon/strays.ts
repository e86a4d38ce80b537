import { readdirSync, readFileSync } from 'node:fs'

/**
 * Kills what outlived an execution: processes that left its group, as daemons do, still have the folder for temporary
 * files that it was started with in their environment. Only on Linux, and not what has another environment since.
 *
 * @param temporary absolute path of that folder, which no other execution has
 */
export function killStrays(temporary: string): void {
  const own = `\0TMPDIR=${temporary}\0`
  for (const name of namesIn('/proc')) {
    if (!/^\d+$/.test(name) || !`\0${environmentOf(name)}`.includes(own)) continue
    try {
      process.kill(Number(name), 'SIGKILL')
    } catch {
      // It has ended since, or became another user's.
    }
  }
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
