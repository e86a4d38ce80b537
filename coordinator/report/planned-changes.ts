import { canonicalJson } from '../../shared/canonical-json.ts'
import type { KnobValue } from '../../shared/condition.ts'
import type { Comparison, ReportCell } from './format.ts'

/** What happened to the bits where the plan changed one setting and nothing else. */
export interface PlannedChange {
  /** `BACKEND.KNOB`, as in a plan. */
  readonly setting: string
  /** Pairs of cells of one agent, backend and device that were asked for the same but for this setting. */
  readonly pairs: number
  /** Of them, pairs whose bits differ. */
  readonly followed: number
  /** The first such pair in the plan's order: classes, and values; undefined where the plan left the setting out. */
  readonly example:
    | {
        readonly classes: readonly [string, string]
        readonly values: readonly [KnobValue | undefined, KnobValue | undefined]
      }
    | undefined
}

interface Member {
  readonly letter: string
  readonly value: KnobValue | undefined
}

/**
 * The experiments within a plan: one setting changed alone. Where the bits follow, that change suffices on that
 * machine, with that seed. Counts only cells that belong to a class, as others have no one result. Linear in the
 * cells and their settings.
 */
export function plannedChanges({ classes }: Comparison, cells: ReadonlyMap<string, ReportCell>): PlannedChange[] {
  const members = classes.flatMap(({ letter, cells: ids }) =>
    ids.flatMap((id) => {
      const cell = cells.get(id)
      return cell ? [{ letter, cell }] : []
    }),
  )
  const knobs = new Map<string, Set<string>>()
  for (const { cell } of members) {
    const { backend, knobs: set } = cell.condition
    const names = knobs.get(backend) ?? new Set()
    for (const name of Object.keys(set)) names.add(name)
    knobs.set(backend, names)
  }
  const changes: PlannedChange[] = []
  for (const [backend, names] of knobs) {
    for (const name of names) {
      const groups = new Map<string, Member[]>()
      for (const { letter, cell } of members) {
        if (cell.condition.backend !== backend) continue
        const { [name]: value, ...rest } = cell.condition.knobs
        const key = canonicalJson([cell.agent, cell.condition.device, rest])
        const group = groups.get(key)
        if (group) group.push({ letter, value })
        else groups.set(key, [{ letter, value }])
      }
      const change = countPairs(`${backend}.${name}`, [...groups.values()])
      if (change.pairs > 0) changes.push(change)
    }
  }
  return changes
}

function countPairs(setting: string, groups: readonly Member[][]): PlannedChange {
  let pairs = 0
  let followed = 0
  let example: PlannedChange['example']
  for (const group of groups) {
    const letters = new Map<string, number>()
    for (const { letter } of group) letters.set(letter, (letters.get(letter) ?? 0) + 1)
    const equal = [...letters.values()].reduce((sum, count) => sum + choose2(count), 0)
    pairs += choose2(group.length)
    followed += choose2(group.length) - equal
    const [first] = group
    const other = group.find(({ letter }) => letter !== first?.letter)
    if (first && other) example ??= { classes: [first.letter, other.letter], values: [first.value, other.value] }
  }
  return { setting, pairs, followed, example }
}

function choose2(count: number): number {
  return (count * (count - 1)) / 2
}
