import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Digest, digestOf, parseDigest } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'

/** Files named by the SHA-256 of their content: `sha256/ab/cdef…`. */
export interface ContentFiles {
  /** @throws `digest-mismatch`; `limit` if there are more than `limitBytes`; `system` where the disk is full */
  put(content: Uint8Array | AsyncIterable<Uint8Array>, expected: Digest, limitBytes?: number): Promise<void>
  /** @throws `digest-mismatch` if the file is not what its name says */
  get(digest: Digest): Promise<Uint8Array | undefined>
  has(digest: Digest): Promise<boolean>
  /** Where its file is, or would be. */
  pathOf(digest: Digest): string
  /** All files, in no order; `name` is the digest that the path spells, if it spells one. */
  list(): AsyncIterable<{ readonly path: string; readonly name: string }>
}

/** @param root folder of the files; `scratch` holds what is being written and may be emptied at start */
export function createContentFiles(root: string, scratch: string): ContentFiles {
  const pathOf = (digest: Digest) => {
    const hex = parseDigest(digest).slice('sha256:'.length)
    return join(root, 'sha256', hex.slice(0, 2), hex.slice(2))
  }
  const has = (digest: Digest) =>
    stat(pathOf(digest)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false
        throw error
      },
    )

  /** Folders that are on disk with their own names, or will be; whoever comes second waits for the first. */
  const ready = new Map<string, Promise<void>>()
  const readyFolder = (path: string) => {
    const known = ready.get(path)
    if (known) return known
    const made = createFolder(path, dirname(root))
    ready.set(path, made)
    made.catch(() => ready.delete(path))
    return made
  }
  const nameOnDisk = async (path: string) => {
    await readyFolder(dirname(path))
    await syncFolder(dirname(path))
  }

  return {
    has,
    pathOf,
    async put(content, expected, limitBytes = Number.POSITIVE_INFINITY) {
      const path = pathOf(expected)
      if (content instanceof Uint8Array) {
        checkSize(content.byteLength, limitBytes, expected)
        checkDigest(digestOf(content), expected)
        // Another put may have named it a moment ago; it is kept once its name is on disk.
        if (await has(expected)) return await nameOnDisk(path)
      }
      const draft = join(scratch, randomUUID())
      const file = await open(draft, 'wx', 0o600).catch((error: unknown) => {
        throw explain(error, root)
      })
      try {
        const hash = createHash('sha256')
        let size = 0
        for await (const piece of content instanceof Uint8Array ? [content] : content) {
          size += piece.byteLength
          checkSize(size, limitBytes, expected)
          hash.update(piece)
          await writeAll(file, piece)
        }
        checkDigest(`sha256:${hash.digest('hex')}`, expected)
        await file.sync()
        await file.close()
        await readyFolder(dirname(path))
        await rename(draft, path)
        await nameOnDisk(path)
      } catch (error) {
        await file.close().catch(() => {})
        await rm(draft, { force: true })
        throw explain(error, root)
      }
    },
    async get(digest) {
      const path = pathOf(digest)
      let bytes: Uint8Array
      try {
        bytes = await readFile(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
      const actual = digestOf(bytes)
      if (actual === digest) return bytes
      throw new BitfleetError(
        'digest-mismatch',
        `${path} was damaged: its content has the digest ${actual}; restore the file, or remove it to have its bytes fetched again`,
      )
    },
    async *list() {
      for (const head of await names(join(root, 'sha256'))) {
        for (const tail of await names(join(root, 'sha256', head))) {
          yield { path: join(root, 'sha256', head, tail), name: `sha256:${head}${tail}` }
        }
      }
    },
  }
}

/** What a full or failing disk said, with what to do; anything else as it is. */
function explain(error: unknown, root: string): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (!['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'].includes(code ?? '')) return error
  const message = `${root} takes nothing more (${messageOf(error)}); nothing of it was kept: make room there and try again`
  return new BitfleetError('system', message, { cause: error })
}

function checkSize(size: number, limitBytes: number, expected: Digest): void {
  if (size <= limitBytes) return
  throw new BitfleetError('limit', `${expected}: more than ${limitBytes} bytes came; no more are kept in one artifact`)
}

function checkDigest(actual: Digest, expected: Digest): void {
  if (actual === expected) return
  throw new BitfleetError(
    'digest-mismatch',
    `bytes said to be ${expected} have the digest ${actual}; they were not kept`,
  )
}

/** A write may take less than it was given. */
async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) at += (await file.write(bytes, at)).bytesWritten
}

/**
 * Makes a folder and what is above it, and has each name below `top` on disk before going on: also of those that were
 * there, as whoever made them may have been ended before.
 */
async function createFolder(path: string, top: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  for (let at = path; at !== top; at = dirname(at)) await syncFolder(dirname(at))
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
