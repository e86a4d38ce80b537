import type { MachineRow } from '../../coordinator/explain/explain-machines.ts'
import type { Facts } from '../../shared/facts.ts'
import { createStream, type Stream } from '../../shared/random/stream.ts'

// Fleets made up from random numbers, with a known answer: in a noise fleet no fact is the cause, in an updated one one is.

export type Machines = MachineRow['machines']

/** A kind of fleet: the same seed and size give the same fleet. */
export interface FleetKind {
  readonly name: string
  make(seed: number, size: number): Machines
}

/** The fact that is the cause in an updated fleet. */
export const updatedFact = 'lib.updated.version'

/** Every fact is a family of its own: a family may go along with a headline, so common families would be an excuse. */
const keyOf = (k: number) => `lib.f${String(k).padStart(3, '0')}.version`

const factCount = 30

export interface GroupOptions {
  readonly groups: number
  /** The share of facts that are replaced by another value, each on one machine. */
  readonly deviating?: number
  /** One more fact has a value of its own on each machine. */
  readonly unique?: boolean
}

/** Facts and outcomes that have nothing to do with each other. */
export function independentFleet(options: Pick<GroupOptions, 'unique'> = {}): FleetKind {
  return {
    name: named('independent facts', options),
    make(seed, size) {
      const stream = createStream(String(seed), 'fleets/independent')
      const values = Array.from({ length: factCount }, () => 2 + stream.below(3))
      return machinesOf(size, (i) => ({
        outcome: String(stream.below(2)),
        facts: factsOf(
          values.map((count) => stream.below(count)),
          options.unique === true ? i : undefined,
        ),
      }))
    },
  }
}

/**
 * Groups of machines that were bought together: a group shares all facts. Half of the facts have a value of its own in
 * each group, the others one of two. Each group has its own outcome, or there are two outcomes by group: a coin decides.
 */
export function groupedFleet(options: GroupOptions): FleetKind {
  const { groups, deviating = 0, unique = false } = options
  return {
    name: named(`${groups} groups that share all facts`, options),
    make(seed, size) {
      const stream = createStream(String(seed), 'fleets/groups')
      const own = Array.from({ length: groups }, (_, group) =>
        Array.from({ length: factCount }, (__, k) => (k % 2 === 0 ? group : stream.below(2))),
      )
      const outcomes = stream.below(2) === 0 ? own.map((_, group) => group) : twoOutcomes(groups, stream)
      return machinesOf(size, (i) => {
        const group = i % groups
        const values = (own[group] as number[]).map((value) => (happens(stream, deviating) ? groups : value))
        return { outcome: String(outcomes[group]), facts: factsOf(values, unique ? i : undefined) }
      })
    },
  }
}

export interface UpdateOptions {
  /** How many other facts there are. */
  readonly facts: number
  /** The share of them that is replaced by another value, each on one machine. */
  readonly deviating: number
}

/** Alike machines, of which a coin updates some: the update is the cause of what they compute. */
export function updatedFleet({ facts, deviating }: UpdateOptions): FleetKind {
  return {
    name: deviating === 0 ? 'nothing else differs' : `${facts} facts, ${100 * deviating} % deviating`,
    make(seed, size) {
      const stream = createStream(String(seed), 'fleets/updated')
      return machinesOf(size, () => {
        const updated = String(stream.below(2))
        const values = Array.from({ length: facts }, () => (happens(stream, deviating) ? 1 : 0))
        return { outcome: updated, facts: { ...factsOf(values), [updatedFact]: updated } }
      })
    },
  }
}

/** The noise fleets for which DESIGN sets a bound. */
export const noiseFleets: readonly FleetKind[] = [
  independentFleet(),
  independentFleet({ unique: true }),
  ...[2, 3, 4, 5].flatMap((groups) => [
    groupedFleet({ groups }),
    groupedFleet({ groups, deviating: 0.02 }),
    groupedFleet({ groups, unique: true }),
  ]),
]

/** The update that has to be found. */
export const plainUpdate = updatedFleet({ facts: factCount, deviating: 0 })

/** Updates among other differences, for which there is no threshold. */
export const blurredUpdates: readonly FleetKind[] = [30, 100].flatMap((facts) =>
  [0.005, 0.02].map((deviating) => updatedFleet({ facts, deviating })),
)

function named(name: string, { deviating, unique }: Partial<GroupOptions>): string {
  if (deviating !== undefined) return `${name}, ${100 * deviating} % of facts deviating`
  return unique === true ? `${name}, one more unique to each machine` : name
}

function machinesOf(size: number, make: (i: number) => { outcome: string; facts: Facts }): Machines {
  return Array.from({ length: size }, (_, i) => ({ id: `m${String(i).padStart(3, '0')}`, ...make(i) }))
}

function factsOf(values: readonly number[], unique?: number): Facts {
  const facts = Object.fromEntries(values.map((value, k) => [keyOf(k), String(value)]))
  if (unique !== undefined) facts['board.part'] = `part-${unique}`
  return facts
}

function happens(stream: Stream, probability: number): boolean {
  return probability > 0 && (stream.uniform64(1)[0] as number) < probability
}

/** One of two outcomes for each group, not all the same. */
function twoOutcomes(groups: number, stream: Stream): number[] {
  for (;;) {
    const outcomes = Array.from({ length: groups }, () => stream.below(2))
    if (new Set(outcomes).size === 2) return outcomes
  }
}
