import type { Facts } from '../../shared/facts.ts'

/** Units by number, each with the number of the block it is in; blocks are numbered by their first units. */
export interface Partition {
  readonly blocks: Int32Array
  readonly count: number
}

/** A way of parting the units, and the facts that part them in just this way. */
export interface FactPartition extends Partition {
  /** The one it is shown under. */
  readonly name: string
  readonly inseparable: readonly string[]
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
 * The ways in which facts part the units: a fact that all have with one value parts nothing and is left out, and facts
 * that part alike are one, under the name a person would act upon. In the order of those names.
 */
export function factPartitions(units: readonly Facts[]): FactPartition[] {
  const keys = [...new Set(units.flatMap((facts) => Object.keys(facts)))].sort(byName)
  const merged = new Map<string, Partition & { name: string; inseparable: string[] }>()
  for (const key of keys) {
    const partition = partitionBy(units.map((facts) => facts[key]))
    if (partition.count < 2) continue
    const alike = partition.blocks.join()
    const known = merged.get(alike)
    if (known) known.inseparable.push(key)
    else merged.set(alike, { ...partition, name: key, inseparable: [] })
  }
  return [...merged.values()]
}

/** What a person can set stands before what follows from it, and that before what only goes along. */
const order = [
  /^knob\.(?!effective\.)/,
  /^backend$/,
  /^backend\./,
  // What a build is for, before what was built and what emulates it.
  /^os\.arch$/,
  /^emulator/,
  /^device/,
  /^knob\.effective\./,
  /^env\./,
  /^lib\./,
  /^cpu\./,
]

/** For sorting names of facts: kinds in the order above, then alphabetically. */
export function byName(a: string, b: string): number {
  return kind(a) - kind(b) || (a < b ? -1 : a > b ? 1 : 0)
}

/** Whether a plan sets this fact itself; all others follow from what it sets, or come with the machine. */
export function isSetByPlan(name: string): boolean {
  return /^(?:knob\.(?!effective\.)|backend$|device$)/.test(name)
}

function kind(name: string): number {
  const found = order.findIndex((pattern) => pattern.test(name))
  return found === -1 ? order.length : found
}
