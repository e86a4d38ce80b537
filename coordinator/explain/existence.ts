import type { Assignment } from './assignments.ts'
import type { Partition } from './partition.ts'
import { createJoins, searchRefining, type Work } from './search.ts'
import { classSizes } from './ways.ts'

/** If there are at most so many pairs of units, all are looked at. Otherwise only those that few partitions tell apart. */
const allPairsUpTo = 2048
const closePairsPerUnit = 4
/** Of more units than this, only neighbours in the order of their blocks are candidates for close pairs. */
const nearestUpTo = 400

/**
 * Whether some set of at most `maxSize` partitions explains an assignment of classes to units. Only existence matters
 * here, so this takes short ways that the search for all sets cannot take.
 *
 * @param sizes how many units each class has, in every assignment that is asked about
 * @param equal the join of the set is to equal the classes; otherwise it may be finer, too
 */
export function createExistence(
  partitions: readonly Partition[],
  sizes: readonly number[],
  maxSize: number,
  work: Work,
  equal: boolean,
): (assignment: Assignment) => boolean {
  return equal
    ? createEqualCheck(partitions, sizes, maxSize, work)
    : createRefiningCheck(partitions, sizes.length, maxSize, work)
}

function createEqualCheck(partitions: readonly Partition[], sizes: readonly number[], maxSize: number, work: Work) {
  // A partition that cuts no class has blocks of whole classes; alone, it must have as many blocks as there are classes.
  const sums = subsetSums(sizes)
  const possible = partitions.filter(
    (partition) =>
      (maxSize === 1 ? partition.count === sizes.length : partition.count <= sizes.length) &&
      classSizes(partition).every((size) => sums[size] === 1),
  )
  const each = { blocks: Int32Array.from(sizes, (_, k) => k), count: sizes.length }
  const blockOfClass = new Int32Array(sizes.length)
  return ({ classOf }: Assignment) => {
    const whole: Partition[] = []
    for (const { blocks, count } of possible) {
      blockOfClass.fill(-1)
      let unit = 0
      for (; unit < blocks.length; unit++) {
        const k = classOf(unit)
        if (blockOfClass[k] === -1) blockOfClass[k] = blocks[unit] as number
        else if (blockOfClass[k] !== blocks[unit]) break
      }
      work.steps += unit + 1
      if (unit < blocks.length) continue
      if (count === sizes.length) return true
      whole.push({ blocks: blockOfClass.slice(), count })
    }
    return maxSize > 1 && whole.length > 1 && searchRefining(whole, each, maxSize, work, true).length > 0
  }
}

/** For each number of units, 1 if some of the classes have so many together. */
function subsetSums(sizes: readonly number[]): Uint8Array {
  const sums = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0) + 1)
  sums[0] = 1
  for (const size of sizes) for (let k = sums.length - 1; k >= size; k--) if (sums[k - size] === 1) sums[k] = 1
  return sums
}

/** Pairs of units, those first that the fewest partitions tell apart. */
interface Pairs {
  /** Every pair of units is here. */
  readonly complete: boolean
  readonly units: readonly (readonly [number, number])[]
  /** For each pair, places of the partitions that tell the two apart. */
  readonly apart: readonly Int32Array[]
  /** For each partition, a bit for each pair: 0 if it tells the two apart. */
  readonly together: readonly Int32Array[]
}

/**
 * Two units of different classes must be told apart by some member of the set. So each set has a member among the
 * partitions that tell a given pair apart: the search branches over those, for the pair that has the fewest.
 */
function createRefiningCheck(partitions: readonly Partition[], classCount: number, maxSize: number, work: Work) {
  const n = partitions[0]?.blocks.length ?? 0
  const { complete, units, apart, together } = pairsOf(partitions)
  const classes = { blocks: new Int32Array(n), count: classCount }
  const joins = createJoins(classes, work)
  const words = Math.ceil(units.length / 32)
  /** For each number of chosen partitions, the pairs of different classes that they do not tell apart yet. */
  const open = Array.from({ length: maxSize + 1 }, () => new Int32Array(words))
  const chosen: number[] = []
  /** Partitions whose sets were all tried before. */
  const excluded = new Uint8Array(partitions.length)

  const whole: Partition = { blocks: new Int32Array(n), count: 1 }

  /** The same search over all pairs of units, for when those that are looked at are told apart. */
  const existsAmongAll = (joined: Partition, left: number): boolean => {
    const pair = joins.conflict(whole, joined)
    if (pair === undefined) return true
    if (left === 0) return false
    return partitions.some(({ blocks, count }, place) => {
      if (excluded[place] === 1 || blocks[pair[0]] === blocks[pair[1]]) return false
      work.steps++
      return existsAmongAll(joins.join(joined, { blocks, count }), left - 1)
    })
  }
  const existsBeyond = (places: readonly number[]) => {
    if (complete) return true
    const joined = places.reduce((sum, place) => joins.join(sum, partitions[place] as Partition), whole)
    return existsAmongAll(joined, maxSize - places.length)
  }
  const exists = (from: Int32Array): boolean => {
    const pair = firstBit(from)
    if (pair === -1) return existsBeyond(chosen)
    const left = maxSize - chosen.length - 1
    const tried: number[] = []
    let found = false
    for (const place of apart[pair] as Int32Array) {
      if (excluded[place] === 1) continue
      work.steps++
      const mask = together[place] as Int32Array
      if (haveNoBitInCommon(from, mask)) found = existsBeyond([...chosen, place])
      else if (left > 0) {
        const to = open[chosen.length + 1] as Int32Array
        for (let w = 0; w < words; w++) to[w] = (from[w] as number) & (mask[w] as number)
        work.steps += words
        chosen.push(place)
        found = exists(to)
        chosen.pop()
      }
      if (found) break
      excluded[place] = 1
      tried.push(place)
    }
    for (const place of tried) excluded[place] = 0
    return found
  }
  if (partitions.some(({ count }) => count === n)) return () => true
  return ({ classOf, all }: Assignment) => {
    const from = open[0] as Int32Array
    from.fill(0)
    for (let pair = 0; pair < units.length; pair++) {
      const [a, b] = units[pair] as readonly [number, number]
      if (classOf(a) === classOf(b)) continue
      // Units that no fact tells apart come first, and mostly settle it.
      if (apart[pair]?.length === 0) return false
      from[pair >> 5] = (from[pair >> 5] as number) | (1 << (pair & 31))
    }
    work.steps += units.length
    classes.blocks.set(all())
    return exists(from)
  }
}

function firstBit(bits: Int32Array): number {
  for (let w = 0; w < bits.length; w++) {
    const word = bits[w] as number
    if (word !== 0) return 32 * w + 31 - Math.clz32(word & -word)
  }
  return -1
}

function haveNoBitInCommon(bits: Int32Array, mask: Int32Array): boolean {
  for (let w = 0; w < bits.length; w++) if (((bits[w] as number) & (mask[w] as number)) !== 0) return false
  return true
}

const knownPairs = new WeakMap<readonly Partition[], Pairs>()

/** They depend on the facts alone, so rows of the same machines share them. Their steps are not counted. */
function pairsOf(partitions: readonly Partition[]): Pairs {
  const pairs = knownPairs.get(partitions) ?? findPairs(partitions)
  knownPairs.set(partitions, pairs)
  return pairs
}

function findPairs(partitions: readonly Partition[]): Pairs {
  const n = partitions[0]?.blocks.length ?? 0
  const complete = (n * (n - 1)) / 2 <= allPairsUpTo
  const found = new Map<number, { units: readonly [number, number]; apart: Int32Array }>()
  // The finest first: they most often explain.
  const finest = partitions.map((_, place) => place).sort((x, y) => countAt(partitions, y) - countAt(partitions, x))
  const add = (x: number, y: number) => {
    const [a, b] = [Math.min(x, y), Math.max(x, y)]
    if (found.has(a * n + b)) return
    const apart = finest.filter((place) => {
      const { blocks } = partitions[place] as Partition
      return blocks[a] !== blocks[b]
    })
    found.set(a * n + b, { units: [a, b], apart: Int32Array.from(apart) })
  }
  if (complete) {
    for (let a = 0; a < n; a++) for (let b = a + 1; b < n; b++) add(a, b)
  } else if (n <= nearestUpTo) {
    for (let a = 0; a < n; a++) for (const b of nearest(partitions, n, a)) add(a, b)
  } else {
    const order = Array.from({ length: n }, (_, unit) => unit).sort((a, b) => compareUnits(partitions, a, b))
    for (let i = 0; i + 1 < n; i++) add(order[i] as number, order[i + 1] as number)
  }
  const sorted = [...found.values()].sort(
    (x, y) => x.apart.length - y.apart.length || x.units[0] - y.units[0] || x.units[1] - y.units[1],
  )
  const together = partitions.map(() => new Int32Array(Math.ceil(sorted.length / 32)).fill(-1))
  sorted.forEach(({ apart }, pair) => {
    for (const place of apart) {
      const bits = together[place] as Int32Array
      bits[pair >> 5] = (bits[pair >> 5] as number) & ~(1 << (pair & 31))
    }
  })
  return { complete, units: sorted.map(({ units }) => units), apart: sorted.map(({ apart }) => apart), together }
}

function countAt(partitions: readonly Partition[], place: number): number {
  return (partitions[place] as Partition).count
}

function nearest(partitions: readonly Partition[], n: number, a: number): number[] {
  const distances = new Int32Array(n)
  for (const { blocks } of partitions) {
    const own = blocks[a]
    for (let b = 0; b < n; b++) if (blocks[b] !== own) distances[b] = (distances[b] as number) + 1
  }
  return Array.from({ length: n }, (_, b) => b)
    .filter((b) => b !== a)
    .sort((x, y) => (distances[x] as number) - (distances[y] as number) || x - y)
    .slice(0, closePairsPerUnit)
}

function compareUnits(partitions: readonly Partition[], a: number, b: number): number {
  for (const { blocks } of partitions) {
    const difference = (blocks[a] as number) - (blocks[b] as number)
    if (difference !== 0) return difference
  }
  return a - b
}
