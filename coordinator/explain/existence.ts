import type { Assignment } from './assignments.ts'
import type { Partition } from './partition.ts'
import { createJoins, searchRefining, type Work } from './search.ts'
import { classSizes } from './ways.ts'

/** Pairs of units that few partitions tell apart, kept for each unit. */
const closePairsPerUnit = 4
/** Of more units than this, only neighbours in the order of their blocks are looked at for close pairs. */
const allPairsUpTo = 400

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

interface ClosePair {
  readonly units: readonly [number, number]
  /** Places of the partitions that tell the two apart. */
  readonly apart: readonly number[]
}

/**
 * Two units of different classes must be told apart by some member of the set. So each set has a member among the
 * partitions that tell a given pair apart: the search branches over those, for the pair that has the fewest.
 */
function createRefiningCheck(partitions: readonly Partition[], classCount: number, maxSize: number, work: Work) {
  const n = partitions[0]?.blocks.length ?? 0
  const pairs = closePairsOf(partitions)
  const classes = { blocks: new Int32Array(n), count: classCount }
  const joins = createJoins(classes, work)
  const whole: Partition = { blocks: new Int32Array(n), count: 1 }

  const separators = (joined: Partition): readonly number[] | undefined => {
    for (const { units, apart } of pairs) {
      work.steps++
      const [a, b] = units
      if (classes.blocks[a] !== classes.blocks[b] && joined.blocks[a] === joined.blocks[b]) return apart
    }
    const found = joins.conflict(whole, joined)
    return found && partitionsApart(partitions, found, work)
  }
  const exists = (joined: Partition, left: number): boolean => {
    const apart = separators(joined)
    if (apart === undefined) return true
    if (left === 0) return false
    for (const place of apart) {
      const partition = partitions[place] as Partition
      if (joins.conflict(joined, partition) === undefined) return true
      if (left > 1 && exists(joins.join(joined, partition), left - 1)) return true
    }
    return false
  }
  return ({ classOf, all }: Assignment) => {
    // Units that no fact tells apart come first, and mostly settle it.
    for (const { units, apart } of pairs) {
      if (apart.length > 0) break
      work.steps++
      if (classOf(units[0]) !== classOf(units[1])) return false
    }
    classes.blocks.set(all())
    work.steps += n
    return exists(whole, maxSize)
  }
}

function partitionsApart(partitions: readonly Partition[], [a, b]: readonly [number, number], work: Work): number[] {
  work.steps += partitions.length
  return partitions.flatMap(({ blocks }, place) => (blocks[a] === blocks[b] ? [] : [place]))
}

const knownPairs = new WeakMap<readonly Partition[], readonly ClosePair[]>()

/** They depend on the facts alone, so rows of the same machines share them. Their steps are not counted. */
function closePairsOf(partitions: readonly Partition[]): readonly ClosePair[] {
  const pairs = knownPairs.get(partitions) ?? closePairs(partitions)
  knownPairs.set(partitions, pairs)
  return pairs
}

/** Pairs of units that few partitions tell apart, those with the fewest first. */
function closePairs(partitions: readonly Partition[]): ClosePair[] {
  const n = partitions[0]?.blocks.length ?? 0
  const found = new Map<number, ClosePair>()
  const add = (a: number, b: number) => {
    const key = Math.min(a, b) * n + Math.max(a, b)
    if (!found.has(key)) found.set(key, { units: [a, b], apart: partitionsApart(partitions, [a, b], { steps: 0 }) })
  }
  if (n <= allPairsUpTo) {
    for (let a = 0; a < n; a++) for (const b of nearest(partitions, n, a)) add(a, b)
  } else {
    const order = Array.from({ length: n }, (_, unit) => unit).sort((a, b) => compareUnits(partitions, a, b))
    for (let i = 0; i + 1 < n; i++) add(order[i] as number, order[i + 1] as number)
  }
  return [...found.values()].sort(
    (x, y) => x.apart.length - y.apart.length || x.units[0] - y.units[0] || x.units[1] - y.units[1],
  )
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
