import { backendName } from '../../shared/backend-description.ts'
import type { Knobs, RequestedCondition } from '../../shared/condition.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { checkUnusedLevels, type KnownBackends } from './check-knobs.ts'
import { splitKnobName } from './knob-name.ts'
import { distinctKnobs, type Factor, type Factors, type Level } from './plan.ts'

/** Each condition makes one cell or more. */
export const maxCells = 100_000
/** Knobs in the conditions of one backend, all together: what they take of memory. */
const maxSettings = 5_000_000

/**
 * The distinct conditions of some factors: backends in order, and for each the product of what applies to it. Equal
 * levels are one before the product is counted, and it is counted before it is formed.
 *
 * @param notes for a reader of the report; added to
 * @throws `usage` for a backend, knob or value that does not exist, a knob that two factors set, or too many conditions
 */
export function expandConditions(factors: Factors, known: KnownBackends, notes: Set<string>): RequestedCondition[] {
  const conditions: RequestedCondition[] = []
  const applied = new Set<Factor>()
  for (const backend of new Set(factors.backends)) {
    // Refuses a backend that does not exist, also if nothing is said of its knobs.
    known.knobsOf(backend, factors)
    known.noteAbsence(backend)
    const applying = factors.others
      .map((factor) => ({
        factor,
        levels: distinctKnobs(factor.levels.map((level) => knobsFor(backend, level, known))),
      }))
      .filter(({ levels }) => levels.some((level) => Object.keys(level).length > 0))
    for (const { factor, levels } of applying) {
      applied.add(factor)
      known.checkKnobs(backend, levels, factor, factors)
    }
    refuseKnobsOfTwo(backend, applying)
    // No two factors set one knob, so that two members of the product are never equal.
    const count = applying.reduce((product, { levels }) => product * levels.length, 1)
    if (conditions.length + count > maxCells || count * mostKnobs(applying) > maxSettings) {
      throw new BitfleetError(
        'usage',
        `${factors.at}: these factors make more than ${maxCells} conditions, or more than ${maxSettings} settings in them; ` +
          'leave out levels, or split the plan',
      )
    }
    const knobSets = productOf(
      applying.map(({ levels }) => levels),
      count,
    )
    conditions.push(
      ...knobSets.map((knobs) => ({ backend, device: 'cpu', knobs: known.asFirstWritten(backend, knobs) })),
    )
  }
  checkUnusedLevels(factors, known)
  for (const factor of factors.others) {
    if (!applied.has(factor)) notes.add(`${factor.at}: factor "${factor.name}" sets no knob of any backend in the plan`)
  }
  return conditions
}

/** How many knobs a condition has at most. */
function mostKnobs(applying: readonly { levels: readonly Knobs[] }[]): number {
  return applying.reduce(
    (sum, { levels }) => sum + levels.reduce((most, level) => Math.max(most, Object.keys(level).length), 0),
    0,
  )
}

/** One level of each factor in all ways, those of the last factor in turn first. */
function productOf(factors: readonly (readonly Knobs[])[], count: number): Knobs[] {
  return Array.from({ length: count }, (_, i) => {
    let rest = i
    const chosen = factors.toReversed().map((levels) => {
      const level = levels[rest % levels.length] as Knobs
      rest = Math.floor(rest / levels.length)
      return level
    })
    return Object.fromEntries(chosen.toReversed().flatMap((level) => Object.entries(level)))
  })
}

/**
 * The knobs of a level that belong to a backend, by their bare names. `tensorflow.KNOB` is set in each version that has
 * it, `tensorflow@2.21.0.KNOB` in that version only. If a level has both, the one with the version wins.
 */
function knobsFor(backend: string, level: Level, known: KnownBackends): Knobs {
  const saidOf = (wanted: string) =>
    Object.entries(level).flatMap(([name, value]) => {
      const { owner, knob } = splitKnobName(name)
      return owner === wanted ? [[knob, value] as const] : []
    })
  const ofAll = saidOf(backendName(backend))
  if (backend === backendName(backend)) return Object.fromEntries(ofAll)
  return Object.fromEntries([...ofAll.filter(([knob]) => known.hasKnob(backend, knob)), ...saidOf(backend)])
}

/** @throws `usage` */
function refuseKnobsOfTwo(backend: string, applying: readonly { factor: Factor; levels: readonly Knobs[] }[]): void {
  const setBy = new Map<string, Factor>()
  for (const { factor, levels } of applying) {
    for (const name of levels.flatMap((level) => Object.keys(level))) {
      if ((setBy.get(name) ?? factor) !== factor) {
        throw new BitfleetError(
          'usage',
          `${factor.at}: ${backendName(backend)}.${name} is set by two factors; keep one`,
        )
      }
      setBy.set(name, factor)
    }
  }
}
