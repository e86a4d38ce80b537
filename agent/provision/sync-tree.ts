import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const atATime = 16

/** Has every file and folder below a folder, and itself, on disk. Links are passed over. */
export async function syncTree(root: string): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
  const waiting = [...paths, root].values()
  const work = async () => {
    for (const path of waiting) {
      const handle = await open(path, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    }
  }
  await Promise.all(Array.from({ length: atATime }, work))
}
