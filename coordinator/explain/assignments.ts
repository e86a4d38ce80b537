import { createStream } from '../../shared/random/stream.ts'
import type { Work } from './search.ts'
import { eachWay, waysToPart } from './ways.ts'

/** One assignment of classes to units. Class 0 has the most units, and so on. */
export interface Assignment {
  /** The class of a unit. A drawn assignment decides it only when somebody asks: most are refuted by a few units. */
  classOf(unit: number): number
  /** The classes of all units. The array is the same for every assignment, with other numbers in it. */
  all(): Int32Array
}

/** Ways to part the units that are tried one by one; if there are more, this many are tried, the observed one among them. */
export const triedAtMost = 10_000

export interface Tally {
  readonly hits: number
  readonly tried: number
  /** All of them take more work than there may be. */
  readonly bounded: boolean
}

/** After so many assignments the work for all of them is foreseen. */
const foreseenAfter = 100

/**
 * Counts the assignments of classes to units for which something holds. If there are at most 10,000 ways to part units
 * into classes of these sizes, all are tried, and the observed one is among them. Otherwise 9,999 are drawn from a fixed
 * stream, and the observed one is counted besides (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 2010).
 *
 * @param sizes how many units each class has
 * @param holds counts its steps in `work`
 * @param steps the most that may be needed for all assignments
 */
export function tally(
  sizes: readonly number[],
  holds: (assignment: Assignment) => boolean,
  work: Work,
  steps: number,
): Tally {
  let hits = 0
  let tried = 0
  let bounded = false
  const ways = waysToPart(sizes)
  const all = ways <= BigInt(triedAtMost) ? Number(ways) : triedAtMost - 1
  const before = work.steps
  const spent = () => {
    const needed = work.steps - before
    return needed > steps || (tried === foreseenAfter && needed * (all / tried) > steps)
  }
  if (all === Number(ways)) {
    eachWay(sizes, (classes) => {
      bounded ||= spent()
      if (bounded) return
      tried++
      if (holds({ classOf: (unit) => classes[unit] as number, all: () => classes })) hits++
    })
    return { hits, tried, bounded }
  }
  const draw = createDraws(sizes)
  while (tried < all && !bounded) {
    tried++
    if (holds(draw())) hits++
    bounded = spent()
  }
  return { hits: hits + 1, tried: tried + 1, bounded }
}

/** Draws without replacement from the classes of all units, each unit when it is asked for. */
function createDraws(sizes: readonly number[]): () => Assignment {
  const stream = createStream('0', 'relabelling')
  const largestFirst = sizes.toSorted((a, b) => b - a)
  const pool = Int32Array.from(largestFirst.flatMap((size, k) => new Array<number>(size).fill(k)))
  const classes = new Int32Array(pool.length)
  const stamps = new Int32Array(pool.length)
  let stamp = 0
  let left = 0
  const classOf = (unit: number) => {
    if (stamps[unit] === stamp) return classes[unit] as number
    const at = stream.below(left)
    left--
    const drawn = pool[at] as number
    // What was drawn goes behind what is left: the pool keeps all classes for the next assignment.
    pool[at] = pool[left] as number
    pool[left] = drawn
    stamps[unit] = stamp
    classes[unit] = drawn
    return drawn
  }
  const all = () => {
    for (let unit = 0; unit < classes.length; unit++) classOf(unit)
    return classes
  }
  return () => {
    stamp++
    left = pool.length
    return { classOf, all }
  }
}
