import { type BackendDescription, backendName, publicBackendNames } from '../../shared/backend-description.ts'
import type { Knobs, KnobValue } from '../../shared/condition.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { type KnownKnob, knownKnobs } from '../../shared/known-knobs.ts'
import { nearest } from '../../shared/nearest.ts'
import { splitKnobName } from './knob-name.ts'
import type { Factor, Factors } from './plan.ts'
import { firstRefused } from './refused-value.ts'

/** What the coordinator knows of backends while it reads one plan. */
export interface KnownBackends {
  /**
   * The knobs of a backend: as agents describe it, else as this release has them; undefined where nobody knows.
   *
   * @throws `usage` for a backend that exists nowhere
   */
  knobsOf(backend: string, factors: Factors): readonly KnownKnob[] | undefined
  /** Adds a note if the backend runs on no agent. */
  noteAbsence(backend: string): void
  /** Whether a knob that a plan sets in all versions of a library is to be set in this one. If not, that is noted. */
  hasKnob(backend: string, knob: string): boolean
  /** @throws `usage` for a knob that the backend does not have, or a value that the knob does not take */
  checkKnobs(backend: string, levels: readonly Knobs[], factor: Factor, factors: Factors): void
  /** The knobs, each value of the type with which the plan writes it first: cells of `1` and of `"1"` are one. */
  asFirstWritten(backend: string, knobs: Knobs): Knobs
}

/**
 * @param described by the agents that the plan is for
 * @param programs that the plan names: backends that an agent may lack
 * @param notes for a reader of the report; added to
 */
export function createKnownBackends(
  described: readonly BackendDescription[],
  programs: readonly string[],
  notes: Set<string>,
): KnownBackends {
  // An installation that cannot say what it is says nothing of its knobs.
  const telling = described.filter(({ status, knobs }) => status === 'ready' || knobs.length > 0)
  const names = [...new Set([...publicBackendNames, ...described.map(({ id }) => backendName(id)), ...programs])]

  const written = new Map<string, KnobValue>()

  const knobsOf: KnownBackends['knobsOf'] = (backend, { at }) => {
    const own = telling.filter(({ id }) => id === backend)
    if (own.length > 0) return own.flatMap(({ knobs }) => knobs)
    const name = backendName(backend)
    if (!names.includes(name)) {
      const has = [...new Set(described.map(({ id }) => id))].join(', ')
      throw new BitfleetError(
        'usage',
        `${at}: there is no backend "${backend}"${nearest(name, names)}; the agents here have ${has}`,
      )
    }
    // Other versions speak for one that nobody has only through this release's own list: knobs come and go.
    return Object.hasOwn(knownKnobs, name) ? knownKnobs[name] : undefined
  }

  return {
    knobsOf,
    noteAbsence(backend) {
      const there = described.filter(({ id }) => id === backend)
      if (there.some(({ status }) => status === 'ready')) return
      notes.add(
        there.length > 0
          ? `the backend ${backend} runs on no agent of this run: its cells are unsupported`
          : `no agent of this run has the backend ${backend}: its cells are unsupported`,
      )
    },
    hasKnob(backend, knob) {
      const own = telling.filter(({ id }) => id === backend)
      const versions = described.filter(({ id }) => backendName(id) === backendName(backend))
      // What no version has is a mistake; `checkKnobs` says so.
      if (own.length === 0 || has(own, knob) || !has(versions, knob)) return true
      notes.add(`${backend} has no knob ${knob}: ${backendName(backend)}.${knob} applies to other versions only`)
      return false
    },
    checkKnobs(backend, levels, factor, factors) {
      const known = knobsOf(backend, factors)
      for (const [name, values] of valuesByKnob(levels)) {
        if (known) checkKnob(backend, known, name, values, factor)
        else notes.add(`${factor.at}: ${backend}.${name} could not be checked: no agent has ${backend}`)
      }
    },
    asFirstWritten(backend, knobs) {
      return Object.fromEntries(
        Object.entries(knobs).map(([name, value]) => {
          const key = JSON.stringify([backend, name, String(value)])
          const first = written.get(key) ?? value
          written.set(key, first)
          return [name, first]
        }),
      )
    },
  }
}

function has(described: readonly BackendDescription[], knob: string): boolean {
  return described.some(({ knobs }) => knobs.some(({ name }) => name === knob))
}

/**
 * Checks what a plan says of backends that it does not use: a misspelt backend or knob in a factor would otherwise be
 * left out without a word, and two levels would be one.
 *
 * @throws `usage`
 */
export function checkUnusedLevels(factors: Factors, backends: KnownBackends): void {
  const used = new Set(factors.backends.flatMap((backend) => [backend, backendName(backend)]))
  for (const factor of factors.others) {
    const unused = new Map<string, Knobs[]>()
    for (const [name, value] of factor.levels.flatMap((level) => Object.entries(level))) {
      const { owner, knob } = splitKnobName(name)
      if (used.has(owner)) continue
      const levels = unused.get(owner) ?? []
      levels.push({ [knob]: value })
      unused.set(owner, levels)
    }
    for (const [owner, levels] of unused) backends.checkKnobs(owner, levels, factor, { ...factors, at: factor.at })
  }
}

/** The distinct texts that levels give each knob. */
function valuesByKnob(levels: readonly Knobs[]): Map<string, Set<string>> {
  const values = new Map<string, Set<string>>()
  for (const [name, value] of levels.flatMap((level) => Object.entries(level))) {
    const known = values.get(name) ?? new Set()
    values.set(name, known.add(String(value)))
  }
  return values
}

/** @throws `usage` */
function checkKnob(
  backend: string,
  known: readonly KnownKnob[],
  name: string,
  values: ReadonlySet<string>,
  { at }: Factor,
): void {
  const knob = known.find((candidate) => candidate.name === name)
  if (!knob) {
    const names = [...new Set(known.map((candidate) => candidate.name))]
    const has = names.length > 0 ? `its knobs are ${names.join(', ')}` : 'it has no knobs'
    throw new BitfleetError('usage', `${at}: ${backend} has no knob "${name}"${nearest(name, names)}; ${has}`)
  }
  const refused = firstRefused(knob.pattern, [...values])
  if (refused === undefined) return
  throw new BitfleetError('usage', `${at}: ${backend}.${name} takes no "${refused}"; it takes ${knob.values}`)
}
