import { groupBy } from '../../shared/group-by.ts'
import { backendName } from '../../shared/backend-description.ts'
import { knobLevel, knobsKey, type Level, ownValue, plainLevel, type TrialCell } from './trial-cell.ts'

/** A setting that the plan changes alone in a row. */
export interface Setting {
  /** `BACKEND.KNOB` as in a plan, `NAME version`, `NAME processor` if another one is emulated, or `backend`. */
  readonly name: string
  /** The bare name of a knob; undefined for other settings. */
  readonly knob?: string
  /** Its value in a cell of its library. */
  readonly levelOf: (cell: TrialCell) => Level
  /** The library that has this setting; undefined for `backend`, which all have. */
  readonly library?: string
  /**
   * Cells of one agent and seed that are asked for alike but for this setting. Each cell is in at most one group, so
   * the groups are independent.
   */
  readonly groups: readonly (readonly TrialCell[])[]
}

/**
 * The settings that the plan changes alone in one row: knobs, the version of a library, the processor, the backend.
 * Only cells with a completed execution take part. Other settings must be asked for alike.
 *
 * @param cells of one row, with all its seeds and agents
 */
export function settingsOf(cells: readonly TrialCell[]): Setting[] {
  const ran = cells.filter(({ traces }) => traces.length > 0)
  const libraries = groupBy(ran, libraryOf)
  // Most libraries have one version, and need no groups for it.
  const ofVersions = [...libraries].filter(([, own]) =>
    own.some(({ condition }) => condition.backend !== own[0]?.condition.backend),
  )
  const settings = [
    ...[...libraries].flatMap(([name, own]) => knobSettings(name, own)),
    ...ofVersions.map(([name, own]) => versionSetting(name, own)),
    ...ofVersions.map(([name, own]) => processorSetting(name, own)),
    ...(libraries.size > 1 ? [backendSetting(ran)] : []),
  ]
  return settings.filter(({ groups }) => groups.length > 0)
}

export function libraryOf({ condition }: TrialCell): string {
  return backendName(condition.backend)
}

function knobSettings(library: string, own: readonly TrialCell[]): Setting[] {
  const values = groupBy(
    own.flatMap(({ condition }) => Object.entries(condition.knobs)),
    ([name]) => name,
  )
  const changed = [...values].flatMap(([name, entries]) =>
    entries.length < own.length || new Set(entries.map(([, value]) => value)).size > 1 ? [name] : [],
  )
  const groups = knobGroups(own)
  return changed.map((knob) => ({
    name: `${library}.${knob}`,
    knob,
    library,
    ...varied(groups.get(knob) ?? [], (cell) => knobLevel(cell, knob)),
  }))
}

/**
 * For each knob, the cells that are asked for alike but for it: those that set it, and those that leave it out. Each cell
 * is looked at once for each knob that it sets, since a report of a stranger may have a knob of its own in every cell.
 */
function knobGroups(own: readonly TrialCell[]): Map<string, TrialCell[][]> {
  const keyOf = (cell: TrialCell, without?: string) =>
    JSON.stringify([...placeOf(cell), cell.condition.backend, knobsKey(cell.condition.knobs, without)])
  const place = new Map(own.map((cell, i) => [cell, i]))
  const leaving = groupBy(own, (cell) => keyOf(cell))
  const setting = new Map<string, Map<string, TrialCell[]>>()
  for (const cell of own) {
    for (const knob of Object.keys(cell.condition.knobs)) {
      const groups = setting.get(knob) ?? new Map<string, TrialCell[]>()
      setting.set(knob, groups)
      const key = keyOf(cell, knob)
      const group = groups.get(key)
      if (group) group.push(cell)
      // The cells of this key set what is in it and nothing else: so none of them sets the knob.
      else groups.set(key, [...(leaving.get(key) ?? []), cell])
    }
  }
  const at = (cell: TrialCell | undefined) => place.get(cell as TrialCell) ?? 0
  return new Map(
    [...setting].map(([knob, groups]) => [
      knob,
      [...groups.values()].map((group) => group.sort((a, b) => at(a) - at(b))).sort(([a], [b]) => at(a) - at(b)),
    ]),
  )
}

function versionSetting(library: string, own: readonly TrialCell[]): Setting {
  const groups = groupsOf(own, (cell) => [...placeOf(cell), cell.emulator, knobsKey(cell.condition.knobs)])
  const levelOf = ({ condition, version }: TrialCell) => plainLevel(condition.backend, version ?? condition.backend)
  return { name: `${library} version`, library, ...varied(groups, levelOf) }
}

function processorSetting(library: string, own: readonly TrialCell[]): Setting {
  const groups = groupsOf(own, (cell) => [...placeOf(cell), cell.version ?? '', knobsKey(cell.condition.knobs)])
  const levelOf = ({ condition, emulator }: TrialCell) => plainLevel(condition.backend, emulator)
  return { name: `${library} processor`, library, ...varied(groups, levelOf) }
}

/**
 * A backend stands in its group with the cells that leave out every knob which the group varies for it. So a knob with
 * a single level belongs to its backend. If all its cells set such a knob, they all stand for it.
 */
function backendSetting(cells: readonly TrialCell[]): Setting {
  const groups = groupsOf(cells, (cell) => [...placeOf(cell), cell.emulator]).map((group) =>
    [...groupBy(group, libraryOf).values()].flatMap(plainest),
  )
  return { name: 'backend', ...varied(groups, (cell) => plainLevel(libraryOf(cell))) }
}

function plainest(cells: readonly TrialCell[]): readonly TrialCell[] {
  const names = [...new Set(cells.flatMap(({ condition }) => Object.keys(condition.knobs)))]
  const changed = names.filter(
    (name) => new Set(cells.map(({ condition }) => ownValue(condition.knobs, name))).size > 1,
  )
  const bare = cells.filter(({ condition }) => changed.every((name) => !Object.hasOwn(condition.knobs, name)))
  return bare.length > 0 ? bare : cells
}

function placeOf({ agent, seed, condition }: TrialCell): string[] {
  return [agent, seed, condition.device]
}

function groupsOf(cells: readonly TrialCell[], keyOf: (cell: TrialCell) => readonly string[]): TrialCell[][] {
  return [...groupBy(cells, (cell) => JSON.stringify(keyOf(cell))).values()]
}

/** Keeps the groups in which the plan asks for two or more values. */
function varied(
  groups: readonly (readonly TrialCell[])[],
  levelOf: Setting['levelOf'],
): Pick<Setting, 'groups' | 'levelOf'> {
  const differ = ([first, ...others]: readonly TrialCell[]) =>
    first !== undefined && others.some((cell) => levelOf(cell).asked !== levelOf(first).asked)
  return { levelOf, groups: groups.filter(differ) }
}
