import { explainMachines } from '../../coordinator/explain/explain-machines.ts'
import { chanceLimit } from '../../coordinator/explain/ways.ts'
import { type FleetKind, updatedFact } from './fleets.ts'

/** What the explanation of many fleets of one kind and size said. */
export interface FleetTally {
  readonly fleets: number
  /** Some set of facts was headlined. */
  readonly headlined: number
  /** The set headlined first names the updated fact. */
  readonly found: number
  /** The smallest set had a chance of at most 5 %, whether or not it was headlined. */
  readonly unlikely: number
  /** The chance of the smallest set was not counted, as it would take too long. */
  readonly bounded: number
}

/** Explains fleets of the seeds `first`, `first` + 1, …: the function that a report uses, with its own limits. */
export function tallyFleets(kind: FleetKind, size: number, seeds: number, first = 0): FleetTally {
  const tally = { fleets: seeds, headlined: 0, found: 0, unlikely: 0, bounded: 0 }
  for (let seed = first; seed < first + seeds; seed++) {
    // A headline does not depend on the chance of a decision list.
    const [explained] = explainMachines([{ row: kind.name, machines: kind.make(seed, size) }], { listSteps: 0 })
    const [smallest] = explained?.explanations ?? []
    const headline = explained?.explanations.find(({ headlined }) => headlined)
    if (headline) tally.headlined++
    if (headline?.facts.some((fact) => [fact, ...(headline.inseparable[fact] ?? [])].includes(updatedFact)))
      tally.found++
    if (smallest?.chance !== null && smallest?.chance !== undefined && smallest.chance <= chanceLimit) tally.unlikely++
    if (smallest?.noFigure === 'bounded') tally.bounded++
  }
  return tally
}
