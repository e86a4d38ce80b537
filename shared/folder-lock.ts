import { randomUUID } from 'node:crypto'
import { link, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { BitfleetError } from './errors.ts'

interface Holder {
  readonly pid: number
  readonly host: string
  /** Since when the process runs, in the kernel's ticks, so that a reused pid is told apart; empty where not known. */
  readonly started: string
}

/**
 * Takes the one lock of a folder. A lock left by a process that is gone is taken over.
 *
 * Locks are numbered and the highest counts: taking over is making the next number, which one process can do, and never
 * removing a file that another may have made meanwhile.
 *
 * @param remedy what to do while another process of this machine holds it
 * @returns what releases it; it never rejects, and may be called again
 * @throws `conflict` naming the process that holds it
 */
export async function takeLock(folder: string, remedy: string): Promise<() => Promise<void>> {
  const pathOf = (number: number) => join(folder, `lock.${number}`)
  const mine = { pid: process.pid, host: hostname(), started: await startOf(process.pid) } satisfies Holder
  const draft = join(folder, `lock.${randomUUID()}`)
  // On disk before it has its name: half a lock after a power cut would be nobody's, and taken over by nobody.
  const file = await open(draft, 'wx', 0o600)
  try {
    try {
      await file.writeFile(JSON.stringify(mine))
      await file.sync()
    } finally {
      await file.close()
    }
    for (;;) {
      const last = (await lockNumbers(folder)).at(-1) ?? 0
      const found = last === 0 ? released : await readFile(pathOf(last), 'utf8').catch(() => undefined)
      if (found === undefined) continue
      if (found !== released) await refuseIfAlive(found, folder, pathOf(last), remedy)
      // A link appears with its content or not at all.
      if (!(await linked(draft, pathOf(last + 1)))) continue
      const numbers = await lockNumbers(folder)
      if ((numbers.at(-1) as number) > last + 1) {
        // Others went past while this process was looking at an old number.
        await rm(pathOf(last + 1), { force: true })
        continue
      }
      // The one before stays, so that whoever lists the folder now sees at least that.
      for (const number of numbers) if (number < last) await rm(pathOf(number), { force: true })
      let giving: Promise<void> | undefined
      return () => (giving ??= giveBack(draft, pathOf(last + 1)))
    }
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * The process that holds a folder's lock, as far as can be told from this machine; changes nothing, so that looking keeps
 * nobody out. Undefined where nobody holds it.
 */
export async function lockHolder(folder: string): Promise<{ readonly pid: number; readonly host: string } | undefined> {
  const last = (await lockNumbers(folder).catch(() => [])).at(-1)
  const text =
    last === undefined ? released : await readFile(join(folder, `lock.${last}`), 'utf8').catch(() => released)
  try {
    const { pid, host, started } = JSON.parse(text) as Holder
    if (host !== hostname()) return { pid, host }
    return isAlive(pid) && (await startOf(pid)) === started ? { pid, host } : undefined
  } catch {
    return undefined
  }
}

/** What a lock holds that nobody holds. */
const released = ''

/** Where that cannot be written, on a full disk say, the lock ends with its process. */
async function giveBack(draft: string, path: string): Promise<void> {
  try {
    await writeFile(draft, released, { mode: 0o600 })
    await rename(draft, path)
  } catch {
    await rm(draft, { force: true }).catch(() => {})
  }
}

/** Ascending. */
async function lockNumbers(folder: string): Promise<number[]> {
  const numbers = (await readdir(folder)).flatMap((name) => /^lock\.([1-9]\d{0,14})$/.exec(name)?.[1] ?? [])
  return numbers.map(Number).sort((a, b) => a - b)
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function refuseIfAlive(text: string, folder: string, path: string, remedy: string): Promise<void> {
  let holder: Holder
  try {
    holder = JSON.parse(text) as Holder
  } catch {
    throw new BitfleetError(
      'conflict',
      `${folder}: ${path} is not a lock Bitfleet wrote; remove it if no process of Bitfleet uses this folder`,
    )
  }
  if (holder.host !== hostname()) {
    throw new BitfleetError(
      'conflict',
      `${folder} is held by process ${holder.pid} on ${holder.host}; stop it there, or remove ${path} if that machine is gone`,
    )
  }
  if (isAlive(holder.pid) && (await startOf(holder.pid)) === holder.started) {
    throw new BitfleetError('conflict', `${folder} is held by process ${holder.pid}; ${remedy}`)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Field 22 of /proc/PID/stat, which follows the command's closing bracket; the command itself may hold anything. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
