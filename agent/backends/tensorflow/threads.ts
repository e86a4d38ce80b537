import { readFileSync, readdirSync } from 'node:fs'

/** Threads of this process by name; undefined where the system does not tell. */
export function readThreads(root = '/proc/self/task'): ReadonlyMap<string, number> | undefined {
  let ids: string[]
  try {
    ids = readdirSync(root)
  } catch {
    return undefined
  }
  const counts = new Map<string, number>()
  for (const id of ids) {
    const name = nameOf(`${root}/${id}/comm`)
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/** A thread may end while it is looked at. */
function nameOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Threads that were started between two looks, and of these those that TensorFlow names as it names its inter-op pool. */
export function startedBetween(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): { readonly all: number; readonly interOp: number } {
  const total = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0)
  const named = (counts: ReadonlyMap<string, number>) => counts.get('tf_Compute') ?? 0
  return { all: total(after) - total(before), interOp: named(after) - named(before) }
}
