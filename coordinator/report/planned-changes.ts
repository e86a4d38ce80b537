import { backendName } from '../../shared/backend-description.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { KnobValue } from '../../shared/condition.ts'
import type { Comparison, ReportCell } from './format.ts'

/** What happened to the bits where the plan changed one setting and nothing else. */
export interface PlannedChange {
  /** `BACKEND.KNOB`, as in a plan, `NAME version`, `NAME processor` where another one is emulated, or `backend`. */
  readonly setting: string
  /** Pairs of cells of one agent and device that were asked for the same but for this setting. */
  readonly pairs: number
  /** Of them, pairs whose bits differ. */
  readonly followed: number
  /** Such a pair of the first class that has one: classes, and values; undefined where the plan left the setting out. */
  readonly example:
    | {
        readonly classes: readonly [string, string]
        readonly values: readonly [KnobValue | undefined, KnobValue | undefined]
      }
    | undefined
}

type Cells = ReadonlyMap<string, ReportCell>

interface Member {
  readonly letter: string
  readonly cell: ReportCell
}

interface Trial {
  readonly setting: string
  readonly valueOf: (cell: ReportCell) => KnobValue | undefined
  /** Members that are alike but for the setting, two or more to a group. */
  readonly groups: readonly (readonly Member[])[]
}

/**
 * The experiments within a plan: one setting changed alone, the version of a library under equal knobs, the processor
 * that one version of it is for, or the backend where no knob is set. Where the bits follow, that change suffices on
 * that machine, with that seed, as far as the cells repeat. Counts only cells that belong to a class, as others have no
 * one result. Linear in the cells and their settings.
 */
export function plannedChanges(comparison: Comparison, cells: Cells): PlannedChange[] {
  return trialsOf(membersOf(comparison, cells)).map(countPairs)
}

/**
 * The settings whose change alone moved the bits, and whether they account for every difference: each class is reached
 * from every other by such changes, and no two cells that agree on these settings differ.
 */
export function testedSettings(comparison: Comparison, cells: Cells): { settings: string[]; all: boolean } {
  const members = membersOf(comparison, cells)
  const trials = trialsOf(members).filter((trial) => countPairs(trial).followed > 0)
  const reached = new Map(comparison.classes.map(({ letter }) => [letter, new Set([letter])]))
  for (const group of trials.flatMap(({ groups }) => groups)) {
    const joined = new Set(group.flatMap(({ letter }) => [...(reached.get(letter) ?? [])]))
    for (const letter of joined) reached.set(letter, joined)
  }
  const letterOf = new Map<string, string>()
  const decided = members.every(({ letter, cell }) => {
    const values = canonicalJson(trials.map(({ valueOf }) => valueOf(cell) ?? null))
    const first = letterOf.get(values) ?? letter
    letterOf.set(values, first)
    return first === letter
  })
  const connected = [...reached.values()].every((letters) => letters.size === comparison.classes.length)
  return { settings: trials.map(({ setting }) => setting), all: decided && connected }
}

function membersOf({ classes, inputsEqual }: Comparison, cells: Cells): Member[] {
  // Where the inputs differ, so may the bits, whatever the setting does.
  if (!inputsEqual) return []
  return classes.flatMap(({ letter, cells: ids }) =>
    ids.flatMap((id) => {
      const cell = cells.get(id)
      return cell ? [{ letter, cell }] : []
    }),
  )
}

function trialsOf(members: readonly Member[]): Trial[] {
  const names = new Map<string, { backend: string; name: string }>()
  for (const { condition } of members.map(({ cell }) => cell)) {
    const { backend } = condition
    for (const name of Object.keys(condition.knobs)) names.set(`${backend}.${name}`, { backend, name })
  }
  const knobs = [...names].map(([setting, { backend, name }]): Trial => {
    const own = members.filter(({ cell }) => cell.condition.backend === backend)
    return {
      setting,
      valueOf: ({ condition }) => (condition.backend === backend ? condition.knobs[name] : undefined),
      groups: groupsBy(own, ({ agent, condition }) => {
        const { [name]: _, ...rest } = condition.knobs
        return [agent, condition.device, rest]
      }),
    }
  })
  const bare = members.filter(({ cell }) => Object.keys(cell.condition.knobs).length === 0)
  const versions = [...new Set(members.map(({ cell }) => backendName(cell.condition.backend)))].map((name): Trial => {
    const own = members.filter(({ cell }) => backendName(cell.condition.backend) === name)
    return {
      setting: `${name} version`,
      valueOf: ({ condition }) => (backendName(condition.backend) === name ? condition.backend : undefined),
      groups: groupsBy(own, (cell) => [...placeOf(cell), emulatorOf(cell), cell.condition.knobs]),
    }
  })
  const processors = [...new Set(members.map(({ cell }) => backendName(cell.condition.backend)))].map((name): Trial => {
    const own = members.filter(({ cell }) => backendName(cell.condition.backend) === name)
    const valueOf = (cell: ReportCell) =>
      backendName(cell.condition.backend) === name ? cell.condition.backend : undefined
    return {
      setting: `${name} processor`,
      valueOf,
      groups: groupsBy(own, (cell) => [...placeOf(cell), cell.condition.version, cell.condition.knobs])
        .map(onePerProcessor)
        .filter(({ length }) => length > 1),
    }
  })
  const backend: Trial = {
    setting: 'backend',
    valueOf: ({ condition }) => condition.backend,
    // Versions of one library have a trial of their own.
    groups: groupsBy(bare, ({ agent, condition }) => [agent, condition.device]).filter(
      (group) => new Set(group.map(({ cell }) => backendName(cell.condition.backend))).size > 1,
    ),
  }
  return [...knobs, ...versions, ...processors, backend].filter(({ groups }) => groups.length > 0)
}

function placeOf({ agent, condition }: ReportCell): [agent: string, device: string] {
  return [agent, condition.device]
}

/** What emulates the processor of a cell; empty where none does. */
function emulatorOf({ condition, facts }: ReportCell): string {
  return condition.label === 'emulated' ? (facts.emulator ?? 'emulated') : ''
}

/** The first member for each: the others were not asked for another processor. */
function onePerProcessor(group: readonly Member[]): Member[] {
  return [...new Map(group.toReversed().map((member) => [emulatorOf(member.cell), member])).values()].toReversed()
}

function groupsBy(members: readonly Member[], key: (cell: ReportCell) => unknown[]): Member[][] {
  const groups = new Map<string, Member[]>()
  for (const member of members) {
    const name = canonicalJson(key(member.cell))
    const group = groups.get(name)
    if (group) group.push(member)
    else groups.set(name, [member])
  }
  return [...groups.values()].filter(({ length }) => length > 1)
}

function countPairs({ setting, valueOf, groups }: Trial): PlannedChange {
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
    if (first && other) {
      example ??= { classes: [first.letter, other.letter], values: [valueOf(first.cell), valueOf(other.cell)] }
    }
  }
  return { setting, pairs, followed, example }
}

function choose2(count: number): number {
  return (count * (count - 1)) / 2
}
