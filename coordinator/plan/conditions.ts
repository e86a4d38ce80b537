import { backendName } from '../../shared/backend-description.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Knobs, RequestedCondition } from '../../shared/condition.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { checkUnusedLevels, type KnownBackends } from './check-knobs.ts'
import { splitKnobName } from './knob-name.ts'
import type { Factor, Factors, Level } from './plan.ts'

/**
 * The distinct conditions of some factors: backends in order, and for each the product of what applies to it.
 *
 * @param notes for a reader of the report; added to
 * @throws `usage` for a backend, knob or value that does not exist, or a knob that two factors set
 */
export function expandConditions(factors: Factors, known: KnownBackends, notes: Set<string>): RequestedCondition[] {
  const conditions = new Map<string, RequestedCondition>()
  const applied = new Set<Factor>()
  for (const backend of factors.backends) {
    // Refuses a backend that does not exist, also if nothing is said of its knobs.
    known.knobsOf(backend, factors)
    known.noteAbsence(backend)
    let knobSets: Knobs[] = [{}]
    for (const factor of factors.others) {
      const levels = factor.levels.map((level) => knobsFor(backend, level, known))
      if (levels.every((level) => Object.keys(level).length === 0)) continue
      applied.add(factor)
      for (const level of levels) known.checkKnobs(backend, level, factor, factors)
      knobSets = knobSets.flatMap((knobs) => levels.map((level) => merge(knobs, level, backend, factor)))
    }
    for (const knobs of knobSets) {
      const condition = { backend, device: 'cpu', knobs: { ...knobs } }
      conditions.set(canonicalJson(condition), condition)
    }
  }
  checkUnusedLevels(factors, known)
  for (const factor of factors.others) {
    if (!applied.has(factor)) notes.add(`${factor.at}: factor "${factor.name}" sets no knob of any backend in the plan`)
  }
  return [...conditions.values()]
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

function merge(knobs: Knobs, level: Knobs, backend: string, factor: Factor): Knobs {
  for (const name of Object.keys(level)) {
    if (name in knobs) {
      throw new BitfleetError('usage', `${factor.at}: ${backendName(backend)}.${name} is set by two factors; keep one`)
    }
  }
  return { ...knobs, ...level }
}
