import type { Facts } from '../../shared/facts.ts'
import { byUse, type NamedFact } from './fact-order.ts'

/** Units by number, each with the number of the block it is in; blocks are numbered by their first units. */
export interface Partition {
  readonly blocks: Int32Array
  readonly count: number
}

/** A way of parting the units, and all the facts that part them in this way, the most useful first. */
export interface FactPartition extends Partition {
  /** The first of the names. */
  readonly name: string
  /** The others: these units cannot tell them from the first. */
  readonly inseparable: readonly string[]
  /** Some unit does not have the first. */
  readonly lacking: boolean
  /** The plan varied the first. */
  readonly planned: boolean
}

/** @param values one for each unit; undefined is a value of its own. */
export function partitionBy(values: readonly (string | undefined)[]): Partition {
  const numbers = new Map<string | undefined, number>()
  const blocks = Int32Array.from(values, (value) => {
    const known = numbers.get(value)
    if (known !== undefined) return known
    numbers.set(value, numbers.size)
    return numbers.size - 1
  })
  return { blocks, count: numbers.size }
}

/**
 * The ways in which facts part the units. A fact that all units have with one value parts nothing and is left out.
 * Facts that part alike are one partition. In the order of their first names.
 *
 * @param planned names of the facts that the plan varied
 */
export function factPartitions(units: readonly Facts[], planned: ReadonlySet<string> = new Set()): FactPartition[] {
  const keys = [...new Set(units.flatMap((facts) => Object.keys(facts)))].sort()
  const merged = new Map<string, { partition: Partition; facts: NamedFact[] }>()
  for (const key of keys) {
    const values = units.map((facts) => facts[key])
    const partition = partitionBy(values)
    if (partition.count < 2) continue
    const fact = { name: key, planned: planned.has(key), lacking: values.includes(undefined) }
    const alike = partition.blocks.join()
    const known = merged.get(alike)
    if (known) known.facts.push(fact)
    else merged.set(alike, { partition, facts: [fact] })
  }
  return [...merged.values()]
    .map(({ partition, facts }) => ({ partition, facts: facts.sort(byUse) as [NamedFact, ...NamedFact[]] }))
    .sort((a, b) => byUse(a.facts[0], b.facts[0]))
    .map(({ partition, facts: [first, ...others] }) => ({
      blocks: partition.blocks,
      count: partition.count,
      name: first.name,
      inseparable: others.map(({ name }) => name),
      lacking: first.lacking,
      planned: first.planned,
    }))
}
