import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { BitfleetError } from '../../shared/errors.ts'

interface Holder {
  readonly pid: number
  readonly host: string
  /** Since when the process runs, in the kernel's ticks, so that a reused pid is told apart; empty where not known. */
  readonly started: string
}

/**
 * Takes the one lock of a folder; the database in it has none of its own between processes. A lock left by a process
 * that is gone is taken over.
 *
 * @returns what releases it
 * @throws `conflict` naming the process that holds it
 */
export async function takeLock(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock')
  const mine = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    started: await startOf(process.pid),
  } satisfies Holder)
  const draft = `${path}.${randomUUID()}`
  await writeFile(draft, mine, { mode: 0o600, flag: 'wx' })
  try {
    for (;;) {
      // A link appears with its content or not at all.
      if (await linked(draft, path)) break
      const found = await readFile(path, 'utf8').catch(() => undefined)
      if (found === undefined) continue
      await refuseIfAlive(found, folder, path)
      await removeStale(path, found)
    }
  } finally {
    await rm(draft, { force: true })
  }
  return async () => {
    if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true })
  }
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

async function refuseIfAlive(text: string, folder: string, path: string): Promise<void> {
  let holder: Holder
  try {
    holder = JSON.parse(text) as Holder
  } catch {
    throw new BitfleetError(
      'conflict',
      `${folder}: ${path} is not a lock Bitfleet wrote; remove it if no coordinator runs`,
    )
  }
  if (holder.host !== hostname()) {
    throw new BitfleetError(
      'conflict',
      `${folder} is held by process ${holder.pid} on ${holder.host}; stop it there, or remove ${path} if that machine is gone`,
    )
  }
  if (isAlive(holder.pid) && (await startOf(holder.pid)) === holder.started) {
    throw new BitfleetError(
      'conflict',
      `${folder} is held by process ${holder.pid}; stop that coordinator, or choose another folder with --store`,
    )
  }
}

/** Two processes may find the same stale lock; whoever moves a fresh one away by that mistake puts it back. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if ((await readFile(aside, 'utf8')) !== stale) await linked(aside, path)
  await rm(aside, { force: true })
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
