import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Digest, digestOf } from '../../shared/digest.ts'

/** Tensors this agent holds, by digest; the least recently used go when the quota is full. */
export interface ArtifactCache {
  /** Takes over a file whose digest was checked; it is moved, so it must stand on the same file system. */
  adopt(file: string, digest: Digest, bytes: number): Promise<void>
  put(bytes: Uint8Array): Promise<Digest>
  /** The bytes, digested again; undefined where they are not held, or no longer have their digest. */
  read(digest: Digest): Promise<Uint8Array | undefined>
  has(digest: Digest): boolean
  readonly usedBytes: number
}

/** @param quotaBytes what all files together may take; the newest one is kept even if it is larger */
export function openArtifactCache(folder: string, quotaBytes: number): ArtifactCache {
  // A Map keeps insertion order: the first is the least recently used.
  const held = new Map<Digest, number>()
  let usedBytes = 0
  let drafts = 0

  const pathOf = (digest: Digest) => join(folder, digest.slice(7, 9), digest.slice(9))

  for (const { digest, bytes } of listHeld(folder)) {
    held.set(digest, bytes)
    usedBytes += bytes
  }

  const forget = async (digest: Digest) => {
    usedBytes -= held.get(digest) ?? 0
    held.delete(digest)
    await rm(pathOf(digest), { force: true })
  }

  const overfull = () => usedBytes > quotaBytes && held.size > 1

  const touch = async (digest: Digest, bytes: number) => {
    usedBytes += bytes - (held.get(digest) ?? 0)
    held.delete(digest)
    held.set(digest, bytes)
    while (overfull()) await forget(held.keys().next().value as Digest)
  }

  const adopt = async (file: string, digest: Digest, bytes: number) => {
    mkdirSync(dirname(pathOf(digest)), { recursive: true })
    await rename(file, pathOf(digest))
    await touch(digest, bytes)
  }

  return {
    adopt,
    async put(bytes) {
      const digest = digestOf(bytes)
      mkdirSync(folder, { recursive: true })
      const draft = join(folder, `draft-${process.pid}-${drafts++}`)
      await writeFile(draft, bytes, { mode: 0o600 })
      await adopt(draft, digest, bytes.byteLength)
      return digest
    },
    async read(digest) {
      if (!held.has(digest)) return undefined
      const bytes = await readFile(pathOf(digest)).catch(() => undefined)
      if (bytes === undefined || digestOf(bytes) !== digest) {
        await forget(digest)
        return undefined
      }
      await touch(digest, bytes.byteLength)
      // So that the order survives a restart.
      const now = new Date()
      await utimes(pathOf(digest), now, now).catch(() => {})
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    },
    has: (digest) => held.has(digest),
    get usedBytes() {
      return usedBytes
    },
  }
}

/** What a folder holds, the least recently used first; drafts that a crash left behind are removed. */
function listHeld(folder: string): { digest: Digest; bytes: number }[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found: { digest: Digest; bytes: number; usedMs: number }[] = []
  for (const name of readdirSync(folder)) {
    if (!/^[0-9a-f]{2}$/.test(name)) {
      rmSync(join(folder, name), { recursive: true, force: true })
      continue
    }
    for (const rest of readdirSync(join(folder, name))) {
      const { size, mtimeMs } = statSync(join(folder, name, rest))
      found.push({ digest: `sha256:${name}${rest}`, bytes: size, usedMs: mtimeMs })
    }
  }
  return found.sort((a, b) => a.usedMs - b.usedMs)
}
