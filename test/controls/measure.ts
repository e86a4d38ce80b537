import { chanceLimit } from '../../coordinator/explain/ways.ts'
import type { Report } from '../../coordinator/report/format.ts'
import { type FleetKind, updatedFact } from './fleets.ts'
import { reportOfFleet, reportOfWorkloads } from './report-of-fleet.ts'
import type { WorkloadsKind } from './many-workloads.ts'

/** What the reports of many fleets of one kind and size said. */
export interface FleetTally {
  readonly fleets: number
  /** Some set of facts was headlined. */
  readonly headlined: number
  /** Something was headlined, and every headline names the updated fact. */
  readonly found: number
  /** The best set had a chance of at most 5 %, whether or not it was headlined. */
  readonly unlikely: number
}

/** Compares and reports fleets of the seeds `first`, `first` + 1, …, as a coordinator does. */
export function tallyFleets(kind: FleetKind, size: number, seeds: number, first = 0): Promise<FleetTally> {
  return tallyReports((seed) => reportOfFleet(kind.make(seed, size)), seeds, first)
}

/** The same of fleets with several workloads: one headline in any of them counts. */
export function tallyWorkloads(kind: WorkloadsKind, size: number, seeds: number, first = 0): Promise<FleetTally> {
  return tallyReports((seed) => reportOfWorkloads(kind.make(seed, size)), seeds, first)
}

async function tallyReports(
  make: (seed: number) => Promise<Report>,
  seeds: number,
  first: number,
): Promise<FleetTally> {
  const tally = { fleets: seeds, headlined: 0, found: 0, unlikely: 0 }
  for (let seed = first; seed < first + seeds; seed++) {
    const { findings } = await make(seed)
    const causes = findings.causes.filter(({ of }) => of === 'machines')
    const headlines = causes.filter(({ headlined }) => headlined)
    if (headlines.length > 0) tally.headlined++
    // A headline of something else is an error, whatever else was found.
    const isFound = headlines.every(({ facts }) => facts.some((names) => names.includes(updatedFact)))
    if (headlines.length > 0 && isFound) tally.found++
    if (causes.some(({ chance }) => chance !== null && chance <= chanceLimit)) tally.unlikely++
  }
  return tally
}
