import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Facts } from '../../shared/facts.ts'

/** Digests of libraries by path, each file read once for as long as it stays the same. */
export type LibraryDigests = (paths: readonly string[]) => Promise<Facts>

/** The facts are `lib.FILE.digest`; a library that was replaced on disk while it computed says so instead. */
export function createLibraryDigests(): LibraryDigests {
  const known = new Map<string, Promise<string>>()

  const digestOfFile = async (path: string): Promise<string> => {
    if (path.endsWith(' (deleted)')) return 'replaced on disk while in use'
    try {
      const { dev, ino, mtimeMs, size } = await stat(path)
      const key = [dev, ino, mtimeMs, size].join(':')
      const digest = known.get(key) ?? hashFile(path)
      known.set(key, digest)
      return await digest
    } catch {
      return 'unreadable'
    }
  }

  return async (paths) => {
    const digests = await Promise.all(paths.map(digestOfFile))
    // Two files of one name, in different folders, are both mapped: each stands under its own number.
    const facts: Record<string, string> = {}
    paths.forEach((path, i) => {
      const name = basename(path.replace(/ \(deleted\)$/, '')).replace(/[\s=]/g, '_')
      let key = `lib.${name}.digest`
      for (let n = 2; key in facts; n++) key = `lib.${name}#${n}.digest`
      facts[key] = digests[i] as string
    })
    return facts
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return `sha256:${hash.digest('hex')}`
}
