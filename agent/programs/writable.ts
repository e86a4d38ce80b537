import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'

// A pin says what a file holds when it is looked at. Who can write it, or put another file beside it, decides what runs
// all the same: an interpreter loads modules from the folder of its script.

// Not a command: the folder may be one that all are meant to write, such as /tmp.
const remedy = 'keep it where you and root alone can write'

/**
 * What others than root and this process's user can change of a file, or of the folder a program is started in: one
 * sentence for each place, with the remedy. Nothing on systems without users.
 *
 * @param path absolute; what cannot be looked at is left out
 */
export function writableByOthers(path: string): string[] {
  const user = process.getuid?.()
  if (user === undefined) return []
  const found = new Set<string>()
  for (const place of new Set([path, realpathOf(path)])) {
    const own = statOf(place)
    if (own === undefined) continue
    const isFolder = own.isDirectory()
    const who = writers(own, user)
    if (who !== undefined) found.add(isFolder ? besides(place, who) : `${who} can write ${place}; ${remedy}`)
    let folder = dirname(place)
    for (let near = !isFolder; ; near = false) {
      const stat = statOf(folder)
      const others = stat && writers(stat, user)
      if (stat !== undefined && others !== undefined) {
        if (near) found.add(besides(folder, others))
        // What is in a sticky folder its owner alone renames.
        else if ((stat.mode & 0o1000) === 0) {
          found.add(`${others} can write ${folder} and so put another file in the place of ${place}; ${remedy}`)
        }
      }
      if (dirname(folder) === folder) break
      folder = dirname(folder)
    }
  }
  return [...found]
}

function besides(folder: string, who: string): string {
  return `${who} can write ${folder}, and what is put there may be loaded and is not pinned; ${remedy}`
}

/** Nobody where the group is its owner's own, which by custom has the owner's number. */
function writers({ mode, uid, gid }: Stats, user: number): string | undefined {
  // Root lists programs for others, whose files they are.
  if (user !== 0 && uid !== 0 && uid !== user) return `user ${uid}`
  if ((mode & 0o002) !== 0) return 'everybody'
  return (mode & 0o020) !== 0 && gid !== uid ? `group ${gid}` : undefined
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
