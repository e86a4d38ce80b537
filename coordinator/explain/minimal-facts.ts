import type { Facts } from '../../shared/facts.ts'
import { createStream } from '../../shared/random/stream.ts'
import { type FactPartition, factPartitions, isSetByPlan, type Partition, partitionBy } from './partition.ts'
import { type Found, searchEqual, searchRefining, type Work } from './search.ts'

/** What is explained: a cell, a machine, a row of somebody else's table. */
export interface Unit {
  readonly id: string
  readonly class: string
  readonly facts: Facts
}

export interface FactSet {
  readonly facts: readonly string[]
  /** The facts' partition of the units equals the classes; else it is finer. */
  readonly equal: boolean
  /** For each fact, the others that part the units in the same way and cannot be told from it. */
  readonly inseparable: Readonly<Record<string, readonly string[]>>
  /** Other minimal sets of the same size that explain as well. */
  readonly rivals: number
  /** Share of random relabellings of the units that some set of this size or smaller explains as well. */
  readonly chance: number
  /** How many relabellings were drawn. */
  readonly draws: number
}

export interface MinimalFacts {
  /** The smallest first; of one size, those whose facts a plan sets, then those with the fewest values. */
  readonly explanations: readonly FactSet[]
  /** Ways in which facts part the units. */
  readonly candidates: number
  /** Why there is no explanation, where there are classes to explain. */
  readonly unexplained?: string
  /** What was not searched or not listed. */
  readonly bounded?: string
}

export interface SearchLimits {
  readonly maxSize: 1 | 2 | 3
  /** Sets listed; all are counted as rivals. */
  readonly listed: number
  /** Triples tried; beyond it, only those of the first facts. */
  readonly triples: number
  readonly draws: number
  /** Steps of all draws together; at least `leastDraws` are made. */
  readonly work: number
}

const defaults: SearchLimits = { maxSize: 3, listed: 24, triples: 1_500_000, draws: 1000, work: 30_000_000 }
const leastDraws = 19
/** A chance that this many relabellings have shown is known well enough (Besag and Clifford, Biometrika 1991). */
const enoughHits = 20

/**
 * The minimal sets of up to three facts whose partition of the units equals the classes; where there is none, those
 * whose partition refines them. A fact that a unit lacks has a value of its own there.
 *
 * Observed, not intervened: a set goes along with the classes among these units. With many facts some set always does,
 * so each comes with its chance: the same search on randomly relabelled units. A pure function: neither the order of
 * the units nor that of their facts matters.
 */
export function minimalFacts(units: readonly Unit[], limits: Partial<SearchLimits> = {}): MinimalFacts {
  const bounds = { ...defaults, ...limits }
  const sorted = units.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const classes = partitionBy(sorted.map((unit) => unit.class))
  const all = factPartitions(sorted.map(({ facts }) => facts))
  if (classes.count < 2) return { explanations: [], candidates: all.length }

  const width = searchWidth(all.length, bounds)
  const partitions = all.slice(0, width)
  const omitted =
    width < all.length ? `sets of ${bounds.maxSize} facts were searched among ${width} of ${all.length} only` : ''
  const search = (equal: boolean, wanted: Partition, maxSize: number, work: Work, stop: boolean): Found[] => {
    const find = equal ? searchEqual : searchRefining
    if (maxSize < 3 || omitted === '') return find(all, wanted, maxSize, work, stop)
    const small = find(all, wanted, 2, work, stop)
    if (stop && small.length > 0) return small
    return [...small, ...find(partitions, wanted, maxSize, work, stop).filter((set) => set.length === 3)]
  }

  let equal = true
  let found = search(equal, classes, bounds.maxSize, { steps: 0 }, false)
  if (found.length === 0) {
    equal = false
    found = search(equal, classes, bounds.maxSize, { steps: 0 }, false)
  }
  if (found.length === 0) {
    return {
      explanations: [],
      candidates: all.length,
      unexplained: whyNone(sorted, all, bounds.maxSize),
      ...(omitted && { bounded: omitted }),
    }
  }

  const listed = rankSets(found, all).slice(0, bounds.listed)
  const largest = listed.at(-1)?.length ?? 1
  const chances = drawChances(classes, [listed[0]?.length ?? 1, largest], bounds, (wanted, work) =>
    search(equal, wanted, largest, work, true),
  )
  const bounded = [
    omitted,
    listed.length < found.length ? `${listed.length} of ${found.length} minimal sets are listed` : '',
  ]
    .filter((text) => text !== '')
    .join('; ')
  return {
    explanations: listed.map((set) => {
      const members = set.map((place) => all[place] as FactPartition)
      return {
        facts: members.map(({ name }) => name),
        equal,
        inseparable: Object.fromEntries(members.map(({ name, inseparable }) => [name, inseparable])),
        rivals: found.filter(({ length }) => length === set.length).length - 1,
        chance: chances.share(set.length),
        draws: chances.draws,
      }
    }),
    candidates: all.length,
    ...(bounded && { bounded }),
  }
}

/** How many facts may be searched in threes. */
function searchWidth(facts: number, { maxSize, triples }: SearchLimits): number {
  if (maxSize < 3) return facts
  let width = facts
  while (width > 3 && (width * (width - 1) * (width - 2)) / 6 > triples) width--
  return width
}

/**
 * By size, then those first whose facts a plan sets, as these can be acted upon; then by how many values the facts
 * have, then in the order of the facts.
 */
function rankSets(found: readonly Found[], partitions: readonly FactPartition[]): Found[] {
  const sum = (set: Found, of: (partition: FactPartition) => number) =>
    set.reduce((total, place) => total + of(partitions[place] as FactPartition), 0)
  const given = ({ name }: FactPartition) => (isSetByPlan(name) ? 0 : 1)
  const values = ({ count }: FactPartition) => count
  return found.toSorted(
    (a, b) =>
      a.length - b.length || sum(a, given) - sum(b, given) || sum(a, values) - sum(b, values) || comparePlaces(a, b),
  )
}

function comparePlaces(a: Found, b: Found): number {
  const at = a.findIndex((place, i) => place !== b[i])
  return at === -1 ? 0 : (a[at] as number) - (b[at] as number)
}

/**
 * Relabels the units at random and searches again, until the chance of the smallest sets is known well enough or the
 * bound is reached. The draws are those of a fixed stream: the same input gives the same chance.
 */
function drawChances(
  classes: Partition,
  [least, largest]: readonly [number, number],
  bounds: SearchLimits,
  search: (classes: Partition, work: Work) => Found[],
): { draws: number; share(size: number): number } {
  const stream = createStream('0', 'relabelling')
  const hits = [0, 0, 0, 0]
  const work = { steps: 0 }
  let draws = 0
  while (draws < bounds.draws && (draws < leastDraws || work.steps < bounds.work)) {
    const order = stream.permutation(classes.blocks.length)
    const blocks = Int32Array.from(order, (from) => classes.blocks[from] as number)
    const size = search({ blocks, count: classes.count }, work)[0]?.length
    draws++
    if (size !== undefined) for (let s = size; s <= largest; s++) hits[s] = (hits[s] as number) + 1
    if ((hits[least] as number) >= enoughHits) break
  }
  return { draws, share: (size) => (hits[size] as number) / draws }
}

function whyNone(units: readonly Unit[], partitions: readonly FactPartition[], maxSize: number): string {
  const seen = new Map<string, Unit>()
  for (const [u, unit] of units.entries()) {
    const facts = partitions.map(({ blocks }) => blocks[u]).join()
    const twin = seen.get(facts)
    if (twin && twin.class !== unit.class) {
      return `${twin.id} (class ${twin.class}) and ${unit.id} (class ${unit.class}) have equal facts and different bits: what parts them was not recorded`
    }
    if (!twin) seen.set(facts, unit)
  }
  return `no set of up to ${maxSize} of the ${partitions.length} facts that differ parts the cells as their bits do`
}
