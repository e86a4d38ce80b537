import type { Partition } from './partition.ts'

/** Places in the list of partitions, ascending. */
export type Found = readonly number[]

/** Counts elementary steps, so that a search can be bounded by work and still be the same on every machine. */
export interface Work {
  steps: number
}

/**
 * All minimal sets of up to `maxSize` partitions whose join equals the classes. Only partitions that cut no class can be
 * in such a set, and of those it is enough that they tell every class from every other: so each class becomes one unit.
 *
 * @param stop true ends the search at the first set found
 */
export function searchEqual(
  partitions: readonly Partition[],
  classes: Partition,
  maxSize: number,
  work: Work,
  stop = false,
): Found[] {
  const whole = partitions.flatMap(({ blocks, count }, place) => {
    const values = count <= classes.count ? blockOfEachClass(blocks, classes, work) : undefined
    return values ? [{ place, blocks: values, count }] : []
  })
  const each = { blocks: Int32Array.from({ length: classes.count }, (_, k) => k), count: classes.count }
  return searchRefining(whole, each, maxSize, work, stop).map((set) =>
    set.map((i) => (whole[i] as { place: number }).place),
  )
}

/** For each class the block that all its units are in; undefined where a class is cut. */
function blockOfEachClass(blocks: Int32Array, classes: Partition, work: Work): Int32Array | undefined {
  const values = new Int32Array(classes.count).fill(-1)
  for (let i = 0; i < blocks.length; i++) {
    work.steps++
    const k = classes.blocks[i] as number
    if (values[k] === -1) values[k] = blocks[i] as number
    else if (values[k] !== blocks[i]) return undefined
  }
  return values
}

/**
 * All minimal sets of up to three partitions whose join is finer than the classes or equal to them: units that agree on
 * all of the set are in one class. By size, and within a size in the order of the partitions.
 *
 * @param maxSize at most 3
 * @param stop    true ends the search at the first set found
 */
export function searchRefining(
  partitions: readonly Partition[],
  classes: Partition,
  maxSize: number,
  work: Work,
  stop = false,
): Found[] {
  const n = classes.blocks.length
  const found: Found[] = []
  const open: number[] = []
  const joins = createJoins(classes, work)
  const whole = { blocks: new Int32Array(n), count: 1 }
  partitions.forEach((partition, i) => {
    if (joins.conflict(whole, partition)) open.push(i)
    else found.push([i])
  })
  if (maxSize === 1 || (stop && found.length > 0)) return found

  const pairs = new Set<number>()
  for (let x = 0; x < open.length; x++) {
    for (let y = x + 1; y < open.length; y++) {
      const [i, j] = [open[x] as number, open[y] as number]
      if (joins.conflict(partitions[i] as Partition, partitions[j] as Partition)) continue
      found.push([i, j])
      if (stop) return found
      pairs.add(i * partitions.length + j)
    }
  }
  if (maxSize === 2) return found

  const isPair = (i: number, j: number) => pairs.has(i * partitions.length + j)
  for (let x = 0; x < open.length; x++) {
    for (let y = x + 1; y < open.length; y++) {
      const [i, j] = [open[x] as number, open[y] as number]
      if (isPair(i, j)) continue
      const joined = joins.join(partitions[i] as Partition, partitions[j] as Partition)
      // Two units of different classes that the pair does not tell apart: a third that does not either is no help.
      let witness = joins.conflict(whole, joined)
      for (let z = y + 1; z < open.length; z++) {
        work.steps++
        const k = open[z] as number
        const third = partitions[k] as Partition
        if (witness && third.blocks[witness[0]] === third.blocks[witness[1]]) continue
        if (isPair(i, k) || isPair(j, k)) continue
        const conflict = joins.conflict(joined, third)
        if (conflict) {
          witness = conflict
          continue
        }
        found.push([i, j, k])
        if (stop) return found
      }
    }
  }
  return found
}

interface Joins {
  join(a: Partition, b: Partition): Partition
  /** Two units in one block of the join of a and b and in different classes; undefined where there are none. */
  conflict(a: Partition, b: Partition): [number, number] | undefined
}

/** Block pairs that a plain table holds; past it, a map. */
const tableSize = 1 << 22

/** What was put for a pair of blocks since the last `clear`. */
interface PairTable {
  clear(size: number): void
  get(pair: number): number | undefined
  set(pair: number, value: number): void
}

/** Entries older than the last clearing are told by their stamp. */
function createPairTable(): PairTable {
  let stamps = new Int32Array(1 << 10)
  let values = new Int32Array(1 << 10)
  let stamp = 0
  let map: Map<number, number> | undefined
  return {
    clear(size) {
      map = size > tableSize ? new Map() : undefined
      if (!map && size > stamps.length) {
        stamps = new Int32Array(Math.min(2 * size, tableSize))
        values = new Int32Array(stamps.length)
        stamp = 0
      }
      stamp++
    },
    get: (pair) => (map ? map.get(pair) : stamps[pair] === stamp ? values[pair] : undefined),
    set(pair, value) {
      if (map) {
        map.set(pair, value)
      } else {
        stamps[pair] = stamp
        values[pair] = value
      }
    },
  }
}

export function createJoins(classes: Partition, work: Work): Joins {
  const n = classes.blocks.length
  const table = createPairTable()
  return {
    join(a, b) {
      table.clear(a.count * b.count)
      const blocks = new Int32Array(n)
      let count = 0
      for (let u = 0; u < n; u++) {
        const pair = (a.blocks[u] as number) * b.count + (b.blocks[u] as number)
        const known = table.get(pair)
        if (known === undefined) table.set(pair, count)
        blocks[u] = known ?? count++
      }
      work.steps += n
      return { blocks, count }
    },
    conflict(a, b) {
      table.clear(a.count * b.count)
      for (let u = 0; u < n; u++) {
        const pair = (a.blocks[u] as number) * b.count + (b.blocks[u] as number)
        const first = table.get(pair)
        if (first === undefined) {
          table.set(pair, u)
        } else if (classes.blocks[first] !== classes.blocks[u]) {
          work.steps += u + 1
          return [first, u]
        }
      }
      work.steps += n
      return undefined
    },
  }
}
