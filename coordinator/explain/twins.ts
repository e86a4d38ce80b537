import { familyOf } from './fact-order.ts'
import type { FactPartition, Partition } from './partition.ts'

/** Two machines of different classes that differ only in what one fact stands for. */
export type TwinPair = readonly [number, number]

/**
 * Up to two disjoint pairs of twins for one fact of a set: machines of different classes that differ in this fact, and
 * besides only in facts inseparable from it and in its family. Facts with more values than half the number of machines
 * are left out, as each machine has its own. The other facts of the set, and what cannot be told from them, are equal
 * in a pair, whatever their family. As the set explains the classes, the pair then differs in the fact itself.
 *
 * @param set places of the set's partitions
 * @param place the fact's own, one of the set
 */
export function twinPairs(
  partitions: readonly FactPartition[],
  classes: Partition,
  set: readonly number[],
  place: number,
): TwinPair[] {
  const n = classes.blocks.length
  const own = partitions[place] as FactPartition
  const family = commonFamily(own)
  const others = new Set(set.filter((other) => other !== place))
  const equalInPair = partitions.filter((partition, i) => {
    if (others.has(i)) return true
    if (i === place || 2 * partition.count > n) return false
    return namesOf(partition).some((name) => familyOf(name) !== family)
  })
  const alike = new Map<string, number[]>()
  for (let unit = 0; unit < n; unit++) {
    const profile = equalInPair.map(({ blocks }) => blocks[unit]).join()
    const group = alike.get(profile)
    if (group) group.push(unit)
    else alike.set(profile, [unit])
  }
  const pairs: TwinPair[] = []
  for (const group of alike.values()) {
    if (pairs.length < 2) pairs.push(...disjointPairs(group, classes, 2 - pairs.length))
  }
  return pairs
}

/**
 * Up to `wanted` disjoint pairs of units with different classes. One unit of each pair is of the class with the most
 * units left: a pair of two smaller classes could use up what would make two pairs.
 */
function disjointPairs(group: readonly number[], classes: Partition, wanted: number): TwinPair[] {
  const byClass = new Map<number, number[]>()
  for (const unit of group) {
    const k = classes.blocks[unit] as number
    byClass.set(k, [...(byClass.get(k) ?? []), unit])
  }
  const pairs: TwinPair[] = []
  while (pairs.length < wanted) {
    const [largest, second] = [...byClass.values()].sort((a, b) => b.length - a.length)
    const [a, b] = [largest?.shift(), second?.shift()]
    if (a === undefined || b === undefined) break
    pairs.push([a, b])
  }
  return pairs
}

/** The family of most of the facts that a partition stands for. */
function commonFamily(partition: FactPartition): string {
  const counts = new Map<string, number>()
  for (const name of namesOf(partition)) counts.set(familyOf(name), (counts.get(familyOf(name)) ?? 0) + 1)
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best))[0]
}

/** Inseparable facts outside the family: other things that may as well be the cause. */
export function strangers(partition: FactPartition): string[] {
  const family = commonFamily(partition)
  return namesOf(partition).filter((name) => familyOf(name) !== family)
}

/** The same facts, as seen from the one that is named: it may itself be outside the family of most of them. */
export function besides(partition: FactPartition): string[] {
  const { name, inseparable } = partition
  return strangers(partition).includes(name)
    ? inseparable.filter((other) => familyOf(other) !== familyOf(name))
    : strangers(partition)
}

function namesOf({ name, inseparable }: FactPartition): string[] {
  return [name, ...inseparable]
}
