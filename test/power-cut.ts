import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

type Promises = typeof import('node:fs/promises')

/** What would be on disk if the power went away now. */
export interface PowerCut {
  /** `node:fs/promises` that notes what was fsynced: bytes of files, names in folders. */
  readonly promises: Promises
  /** Called after every fsync. */
  onSync: () => void
  /**
   * Lays out what is left of a folder: names that were synced into their folders, with the bytes that were synced into
   * their files, and of what was written since a part only, chosen by `choose`.
   *
   * @param choose a whole number from 0 up to and with its argument
   */
  layOut(folder: string, target: string, choose: (most: number) => number): void
}

/**
 * A disk that keeps its promises and nothing more. Renames and removals that were not synced have not happened; an
 * unsynced file has any beginning of its bytes.
 */
export function createPowerCut(real: Promises): PowerCut {
  /** By inode. */
  const files = new Map<number, Buffer>()
  const folders = new Map<number, Map<string, number>>()

  const note = (handle: FileHandle) => {
    const stats = fstatSync(handle.fd)
    if (!stats.isDirectory()) {
      files.set(stats.ino, readFileSync(`/proc/self/fd/${handle.fd}`))
      return
    }
    const path = `/proc/self/fd/${handle.fd}`
    folders.set(stats.ino, new Map(readdirSync(path).map((name) => [name, lstatSync(join(path, name)).ino])))
  }
  const self: PowerCut = {
    promises: {
      ...real,
      async open(...args: Parameters<Promises['open']>) {
        const handle = await real.open(...args)
        // A number that was another file's before.
        if (String(args[1]).includes('x')) files.delete(fstatSync(handle.fd).ino)
        for (const name of ['sync', 'datasync'] as const) {
          const sync = handle[name].bind(handle)
          handle[name] = async () => {
            await sync()
            note(handle)
            self.onSync()
          }
        }
        return handle
      },
      async mkdir(...args: Parameters<Promises['mkdir']>) {
        const made = await real.mkdir(...args)
        if (made !== undefined) folders.delete(lstatSync(args[0]).ino)
        return made
      },
    } as Promises,
    onSync: () => {},
    layOut(folder, target, choose) {
      // Files that are renamed at this very moment, by threads that go on, are looked for again.
      for (let tries = 0; ; tries++) {
        try {
          return layOnce(folder, target, choose)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 50) throw error
          rmSync(target, { recursive: true })
        }
      }
    },
  }
  const layOnce: PowerCut['layOut'] = (folder, target, choose) => {
    mkdirSync(target, { recursive: true })
    const paths = pathsByInode(folder)
    const lay = (inode: number, to: string) => {
      for (const [name, child] of folders.get(inode) ?? []) {
        const path = paths.get(child)
        if (folders.has(child) || (path !== undefined && lstatSync(path).isDirectory())) {
          mkdirSync(join(to, name))
          lay(child, join(to, name))
          continue
        }
        const synced = files.get(child) ?? Buffer.alloc(0)
        const now = path === undefined ? synced : readFileSync(path)
        const more = now.length > synced.length ? choose(now.length - synced.length) : 0
        writeFileSync(join(to, name), Buffer.concat([synced, now.subarray(synced.length, synced.length + more)]))
      }
    }
    const fd = openSync(folder, 'r')
    lay(fstatSync(fd).ino, target)
    closeSync(fd)
  }
  return self
}

function pathsByInode(folder: string): Map<number, string> {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
  return new Map(
    found.flatMap((entry) => {
      const path = join(entry.parentPath, entry.name)
      return path.includes('/db/') ? [] : [[lstatSync(path).ino, path] as const]
    }),
  )
}
