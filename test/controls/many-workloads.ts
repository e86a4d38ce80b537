import type { Facts } from '../../shared/facts.ts'
import { createStream, type Stream } from '../../shared/random/stream.ts'
import { type Machines, updatedFact } from './fleets.ts'

// Fleets that compute many workloads: each is a chance to headline a cause that is not there.

/** A kind of fleet with several workloads: the same seed and size give the same fleet. */
export interface WorkloadsKind {
  readonly name: string
  readonly workloads: number
  /** How many facts each machine has. */
  readonly facts: number
  /** For each workload, the same machines with its outcomes. */
  make(seed: number, size: number): Machines[]
}

/** How the outcomes of a workload, or the values of a fact, fall on the machines. */
type Draw = (stream: Stream, size: number) => string[]

/** Half of the machines, drawn: the parting that the most facts can share by luck. */
const halves: Draw = (stream, size) => {
  const values = Array.from({ length: size }, (_, i): string => (2 * i < size ? '0' : '1'))
  for (let i = size - 1; i > 0; i--) {
    const j = stream.below(i + 1)
    ;[values[i], values[j]] = [values[j] as string, values[i] as string]
  }
  return values
}

/** Two to four values, for each machine one of them. */
const independent: Draw = (stream, size) => {
  const values = 2 + stream.below(3)
  return Array.from({ length: size }, () => String(stream.below(values)))
}

interface NoiseOptions {
  readonly workloads: number
  readonly facts: number
  readonly draw?: Draw
  /** Different partings of the machines; several workloads share one. Else each workload has its own. */
  readonly partings?: number
}

/** Facts and outcomes that have nothing to do with each other. */
function noise({ workloads, facts, draw = halves, partings = workloads }: NoiseOptions): WorkloadsKind {
  const alike = partings === workloads ? '' : `, ${partings} different partings`
  return {
    name: draw === halves ? `halves${alike}` : `two to four values${alike}`,
    workloads,
    facts,
    make(seed, size) {
      const stream = createStream(String(seed), 'fleets/workloads')
      const own = Array.from({ length: facts }, () => draw(stream, size))
      const found = Array.from({ length: partings }, () => draw(stream, size))
      return Array.from({ length: workloads }, (_, w) => machinesOf(size, own, found[w % partings] as string[]))
    },
  }
}

/** Machines that a coin updated: the first workloads follow the update, the others part the machines in halves. */
function update(workloads: number, following: number): WorkloadsKind {
  return {
    name: following === workloads ? 'all workloads follow' : `${following} follows, the others are noise`,
    workloads,
    facts: 1,
    make(seed, size) {
      const stream = createStream(String(seed), 'fleets/workloads')
      const updated = Array.from({ length: size }, () => String(stream.below(2)))
      return Array.from({ length: workloads }, (_, w) =>
        machinesOf(size, [], w < following ? updated : halves(stream, size), (i) => ({
          [updatedFact]: updated[i] as string,
        })),
      )
    },
  }
}

/** Workloads that no fact explains. */
export const noisyWorkloads: readonly WorkloadsKind[] = [
  noise({ workloads: 10, facts: 2 }),
  noise({ workloads: 40, facts: 2 }),
  noise({ workloads: 10, facts: 30 }),
  noise({ workloads: 40, facts: 30 }),
  noise({ workloads: 40, facts: 30, partings: 4 }),
  noise({ workloads: 10, facts: 30, draw: independent }),
]

/** Workloads of which one or all have a cause. */
export const updatedWorkloads: readonly WorkloadsKind[] = [update(10, 10), update(10, 1)]

function machinesOf(
  size: number,
  facts: readonly (readonly string[])[],
  outcomes: readonly string[],
  more: (i: number) => Facts = () => ({}),
): Machines {
  return Array.from({ length: size }, (_, i) => ({
    id: `m${String(i).padStart(3, '0')}`,
    outcome: outcomes[i] as string,
    // Every fact is a family of its own.
    facts: { ...Object.fromEntries(facts.map((values, k) => [`lib.f${k}.version`, values[i] as string])), ...more(i) },
  }))
}
