import { chanceLimit } from '../../coordinator/explain/ways.ts'
import { type FleetKind, updatedFact } from './fleets.ts'
import { reportOfFleet } from './report-of-fleet.ts'

/** What the reports of many fleets of one kind and size said. */
export interface FleetTally {
  readonly fleets: number
  /** Some set of facts was headlined. */
  readonly headlined: number
  /** The headline names the updated fact. */
  readonly found: number
  /** The best set had a chance of at most 5 %, whether or not it was headlined. */
  readonly unlikely: number
}

/** Compares and reports fleets of the seeds `first`, `first` + 1, …, as a coordinator does. */
export async function tallyFleets(kind: FleetKind, size: number, seeds: number, first = 0): Promise<FleetTally> {
  const tally = { fleets: seeds, headlined: 0, found: 0, unlikely: 0 }
  for (let seed = first; seed < first + seeds; seed++) {
    const { findings } = await reportOfFleet(kind.make(seed, size))
    const causes = findings.causes.filter(({ of }) => of === 'machines')
    const headline = causes.find(({ headlined }) => headlined)
    if (headline) tally.headlined++
    if (headline?.facts.some((names) => names.includes(updatedFact))) tally.found++
    if (causes.some(({ chance }) => chance !== null && chance <= chanceLimit)) tally.unlikely++
  }
  return tally
}
