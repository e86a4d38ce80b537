import type { Facts } from '../../shared/facts.ts'
import { createExistence } from './existence.ts'
import { type FactPartition, factPartitions, type Partition, partitionBy } from './partition.ts'
import { type Found, searchEqual, searchRefining } from './search.ts'
import { classSizes } from './ways.ts'

/** What is explained: a cell, a machine, a row of somebody else's table. */
export interface Unit {
  readonly id: string
  /** What texts call it; its id if left out. */
  readonly name?: string | undefined
  readonly class: string
  readonly facts: Facts
}

/** A minimal set of facts that goes along with the classes. */
export interface FactSet {
  readonly facts: readonly string[]
  /** The facts' partition of the units equals the classes; otherwise it is finer. */
  readonly equal: boolean
  /** For each fact, the others that part the units in the same way and cannot be told from it, the most useful first. */
  readonly inseparable: Readonly<Record<string, readonly string[]>>
  /** Other minimal sets of the same size that explain as well. */
  readonly rivals: number
}

export interface MinimalFacts {
  /** The smallest first. Of one size: facts that all units have, then those that the plan varied, then fewer values. */
  readonly explanations: readonly FactSet[]
  /** Ways in which facts part the units. */
  readonly candidates: number
  /** Why there is no explanation, if there are classes to explain. */
  readonly unexplained?: string
  /** What was not searched or not listed. */
  readonly bounded?: string
}

export interface SearchLimits {
  readonly maxSize: 1 | 2 | 3
  /** Sets listed; all are counted as rivals. */
  readonly listed: number
  /** Triples tried. If there are more, only those of the first facts are. */
  readonly triples: number
}

export interface SearchOptions extends Partial<SearchLimits> {
  /** Names of the facts that the plan varied. They are named first, as a person can act on them. */
  readonly planned?: ReadonlySet<string>
}

const defaults: SearchLimits = { maxSize: 3, listed: 24, triples: 1_500_000 }

/**
 * The minimal sets of up to three facts whose partition of the units equals the classes. If there is none, those whose
 * partition refines them. A fact that a unit lacks has a value of its own there.
 *
 * Observed, not intervened: such a set goes along with the classes among these units. With many facts some set always
 * does; `explainMachines` says how likely. A pure function: the order of the units and of their facts does not matter.
 */
export function minimalFacts(units: readonly Unit[], options: SearchOptions = {}): MinimalFacts {
  return listSets(searchFacts(units, options))
}

/** What was found, before it is put in words. */
export interface FactSearch {
  /** In the order of their ids. */
  readonly units: readonly Unit[]
  readonly classes: Partition
  readonly partitions: readonly FactPartition[]
  readonly equal: boolean
  /** Places of partitions; all minimal sets, in the order in which they are listed. */
  readonly found: readonly Found[]
  readonly limits: SearchLimits
  /** How many partitions were searched in sets of three. */
  readonly width: number
}

/** @param known the partitions by the facts of these units, in the order of their ids, if they were made before */
export function searchFacts(
  units: readonly Unit[],
  { planned, ...given }: SearchOptions = {},
  known?: readonly FactPartition[],
): FactSearch {
  const limits = { ...defaults, ...given }
  const sorted = units.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const classes = partitionBy(sorted.map((unit) => unit.class))
  const partitions =
    known ??
    factPartitions(
      sorted.map(({ facts }) => facts),
      planned,
    )
  const width = searchWidth(partitions.length, limits)
  const none = { units: sorted, classes, partitions, equal: false, found: [], limits, width }
  // Two units that no fact tells apart and that differ: no set can explain that.
  if (classes.count < 2 || indistinct(sorted, partitions)) return none
  for (const equal of [true, false]) {
    // Mostly two units that few facts tell apart soon show that there is no set.
    if (!equal && !existsRefining(none)) break
    const found = searchSets(equal ? searchEqual : searchRefining, none)
    if (found.length > 0) return { ...none, equal, found: rankSets(found, partitions) }
  }
  return none
}

function searchSets(
  find: typeof searchEqual,
  { partitions, classes, limits: { maxSize }, width }: FactSearch,
): readonly Found[] {
  const work = { steps: 0 }
  if (maxSize < 3 || width === partitions.length) return find(partitions, classes, maxSize, work)
  const triples = find(partitions.slice(0, width), classes, 3, work).filter(({ length }) => length === 3)
  return [...find(partitions, classes, 2, work), ...triples]
}

function existsRefining({ partitions, classes, limits }: FactSearch): boolean {
  const exists = createExistence(partitions, classSizes(classes), limits.maxSize, { steps: 0 }, false)
  return exists({ classOf: (unit) => classes.blocks[unit] as number, all: () => classes.blocks })
}

/** Sets of three were not searched among all facts. */
export function omittedTriples({ partitions, width }: FactSearch): boolean {
  return width < partitions.length
}

export function listSets(search: FactSearch): MinimalFacts {
  const { units, classes, partitions, equal, found, limits, width } = search
  const omitted = omittedTriples(search)
    ? `sets of ${limits.maxSize} facts were searched among ${width} of ${partitions.length} only`
    : undefined
  if (classes.count < 2) return { explanations: [], candidates: partitions.length }
  if (found.length === 0) {
    const twins = indistinct(units, partitions)
    const unexplained = twins
      ? `${nameOf(twins[0])} and ${nameOf(twins[1])} have equal facts and different bits: why they differ was not recorded`
      : `no set of up to ${limits.maxSize} facts groups the cells as their bits do; larger sets were not searched`
    const nothing = { explanations: [], candidates: partitions.length, unexplained }
    return omitted === undefined || twins ? nothing : { ...nothing, bounded: omitted }
  }
  const listed = found.slice(0, limits.listed)
  const bounds = [
    omitted,
    listed.length < found.length ? `${listed.length} of ${found.length} minimal sets are listed` : undefined,
  ].filter((text) => text !== undefined)
  const explanations = listed.map((set) => {
    const members = set.map((place) => partitions[place] as FactPartition)
    return {
      facts: members.map(({ name }) => name),
      equal,
      inseparable: Object.fromEntries(members.map(({ name, inseparable }) => [name, inseparable])),
      rivals: found.filter(({ length }) => length === set.length).length - 1,
    }
  })
  const result = { explanations, candidates: partitions.length }
  return bounds.length === 0 ? result : { ...result, bounded: bounds.join('; ') }
}

/** How many facts may be searched in threes. */
function searchWidth(facts: number, { maxSize, triples }: SearchLimits): number {
  if (maxSize < 3) return facts
  let width = facts
  while (width > 3 && (width * (width - 1) * (width - 2)) / 6 > triples) width--
  return width
}

/** By size; then facts that all units have; then those that the plan varied; then fewer values; then by name. */
function rankSets(found: readonly Found[], partitions: readonly FactPartition[]): Found[] {
  const sum = (set: Found, of: (partition: FactPartition) => number) =>
    set.reduce((total, place) => total + of(partitions[place] as FactPartition), 0)
  const lacking = (partition: FactPartition) => Number(partition.lacking)
  const unplanned = ({ planned }: FactPartition) => Number(!planned)
  const values = ({ count }: FactPartition) => count
  return found.toSorted(
    (a, b) =>
      a.length - b.length ||
      sum(a, lacking) - sum(b, lacking) ||
      sum(a, unplanned) - sum(b, unplanned) ||
      sum(a, values) - sum(b, values) ||
      comparePlaces(a, b),
  )
}

function comparePlaces(a: Found, b: Found): number {
  const at = a.findIndex((place, i) => place !== b[i])
  return at === -1 ? 0 : (a[at] as number) - (b[at] as number)
}

/** Two units of different classes that no fact tells apart. */
function indistinct(units: readonly Unit[], partitions: readonly FactPartition[]): [Unit, Unit] | undefined {
  const seen = new Map<string, Unit>()
  for (const [u, unit] of units.entries()) {
    const facts = partitions.map(({ blocks }) => blocks[u]).join()
    const twin = seen.get(facts)
    if (twin && twin.class !== unit.class) return [twin, unit]
    if (!twin) seen.set(facts, unit)
  }
  return undefined
}

function nameOf(unit: Unit): string {
  return `${unit.name ?? unit.id} (class ${unit.class})`
}
