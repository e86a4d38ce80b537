import { lstat, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDurableFolder } from './durable-file.ts'

/** A folder for what is taken out of the way and not thrown away: the newest stay, within bounds. */
export interface Aside {
  /** Moves a file in. @returns its name there. @throws what the operating system refuses */
  take(path: string | Buffer, name: string): Promise<string>
  /** Names of what it holds, the oldest first. */
  names(): readonly string[]
}

export interface AsideBounds {
  readonly maxFiles: number
  /** Of all files together; the newest one stays even if it is larger. */
  readonly maxBytes: number
}

/** Files are numbered, so that their order outlives restarts and clocks that jump. */
const numbered = /^(\d{8})-(.*)$/s

export async function openAside(folder: string, { maxFiles, maxBytes }: AsideBounds): Promise<Aside> {
  await makeDurableFolder(folder)
  const held: { readonly name: string; readonly bytes: number }[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (!numbered.test(name)) continue
    held.push({ name, bytes: await sizeOf(join(folder, name)) })
  }
  const bytes = () => held.reduce((sum, one) => sum + one.bytes, 0)

  return {
    async take(path, name) {
      const last = Number(numbered.exec(held.at(-1)?.name ?? '')?.[1] ?? 0)
      const kept = `${String(last + 1).padStart(8, '0')}-${safe(name)}`
      // Held from now on: whoever comes next takes the next number.
      const size = await sizeOf(path)
      held.push({ name: kept, bytes: size })
      try {
        await rename(path, join(folder, kept))
      } catch (error) {
        held.splice(
          held.findIndex((one) => one.name === kept),
          1,
        )
        throw error
      }
      while (held.length > maxFiles || (held.length > 1 && bytes() > maxBytes)) {
        const oldest = held.shift()
        if (oldest) await rm(join(folder, oldest.name), { recursive: true, force: true }).catch(() => {})
      }
      return kept
    },
    names: () => held.map(({ name }) => name),
  }
}

/** The name that a file had before it was set aside. */
export function nameBefore(name: string): string {
  return numbered.exec(name)?.[2] ?? name
}

async function sizeOf(path: string | Buffer): Promise<number> {
  return lstat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

/** Names come from a disk that may be damaged: only what every system takes stays as it is. */
function safe(name: string): string {
  return name.replace(/[^a-zA-Z0-9@%._-]/g, '_').slice(0, 240)
}
