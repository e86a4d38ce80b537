import { groupBy } from '../../shared/group-by.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { KnobValue } from '../../shared/condition.ts'
import type { Silence } from './silence.ts'
import { knobLevel, type TrialCell } from './trial-cell.ts'
import { libraryOf, settingsOf } from './trial-groups.ts'
import type { SettingResult } from './trials.ts'

/**
 * What a report says of one knob, over all workloads, agents and seeds. Of a knob that the bits followed anywhere, it
 * never says "no effect": the type has no room for both.
 */
export type KnobStatement = {
  /** `BACKEND.KNOB`, as in a plan. */
  readonly knob: string
  readonly values: readonly ValueStatement[]
} & (
  | {
      readonly bits: 'followed'
      /** `claimed` if it is claimed in some row. */
      readonly strength: 'claimed' | 'seen'
      readonly rows: readonly string[]
    }
  | {
      readonly bits: 'did not follow'
      /** Of the values, those that do the same as leaving the knob out. */
      readonly noEffect: readonly ValueStatement[]
    }
)

/** One value that a plan asks for, and what became of it. */
export interface ValueStatement {
  readonly asked: KnobValue
  readonly state: 'in force' | 'replaced' | 'unknown'
  /** What is in force instead. */
  readonly by: string | undefined
  /** Cells of which this holds. */
  readonly cells: readonly string[]
  /** Such cells against those that leave the knob out and are otherwise asked for alike; silenced cells left out. */
  readonly againstLeftOut: {
    readonly pairs: number
    readonly equal: number
    /** Pairs that read back the same settings, this knob among them. */
    readonly sameSettings: number
    /** Pairs that read back the same settings and yet differ: what is read back does not tell all. */
    readonly hidden: number
  }
}

/**
 * Says what became of each knob that a plan sets (DESIGN §6.5). A value has no effect only against the cell that leaves
 * the knob out: with equal bits in at least two executions of each, equal effective settings that include this knob, and
 * no pair of cells that says otherwise. If one value has several states, such as in force on one machine and replaced on
 * another, each of them must have been compared.
 *
 * @param cells of the whole plan
 * @param silence of the same cells
 * @param results of `judgeSettings`
 */
export function stateKnobs(
  cells: readonly TrialCell[],
  silence: Silence,
  results: readonly SettingResult[],
): KnobStatement[] {
  const ran = cells.filter(({ traces }) => traces.length > 0)
  const partners = leftOutCells(ran)
  const followed = groupBy(
    results.filter((result) => result.bits === 'followed' && result.knob !== undefined),
    ({ setting }) => setting,
  )
  const uses = ran.flatMap((cell) =>
    Object.keys(cell.condition.knobs).map((name) => ({ cell, name, knob: `${libraryOf(cell)}.${name}` })),
  )
  return [...groupBy(uses, ({ knob }) => knob)].map(([knob, own]): KnobStatement => {
    const values = [...groupBy(own, ({ cell, name }) => stateKey(cell, name)).values()].map((alike) =>
      stateValue(alike, silence, (cell) => partners.get(partnerKey(knob, cell.id)) ?? []),
    )
    const rows = followed.get(knob)
    if (rows === undefined) return { knob, values, bits: 'did not follow', noEffect: withoutEffect(values) }
    const claimed = rows.some((result) => result.bits === 'followed' && result.strength === 'claimed')
    return { knob, values, bits: 'followed', strength: claimed ? 'claimed' : 'seen', rows: rows.map(({ row }) => row) }
  })
}

function stateKey(cell: TrialCell, name: string): string {
  const { asked, state, value } = knobLevel(cell, name)
  return JSON.stringify([asked, state, state === 'replaced' ? value : null])
}

/** By knob and cell, the cells of its group that leave the knob out. */
function leftOutCells(cells: readonly TrialCell[]): Map<string, TrialCell[]> {
  const partners = new Map<string, TrialCell[]>()
  const settings = [...groupBy(cells, ({ row }) => row).values()].flatMap(settingsOf)
  for (const { name, knob, groups } of settings) {
    if (knob === undefined) continue
    for (const group of groups) {
      const without = group.filter(({ condition }) => !Object.hasOwn(condition.knobs, knob))
      if (without.length === 0) continue
      for (const { id } of group) partners.set(partnerKey(name, id), without)
    }
  }
  return partners
}

function partnerKey(knob: string, cell: string): string {
  return `${knob} ${cell}`
}

function stateValue(
  alike: readonly { readonly cell: TrialCell; readonly name: string }[],
  silence: Silence,
  partnersOf: (cell: TrialCell) => readonly TrialCell[],
): ValueStatement {
  // A group is never empty, and each of its cells asks for the knob.
  const [{ cell: first, name }] = alike as [(typeof alike)[number]]
  const { state, value } = knobLevel(first, name)
  const counts = (cell: TrialCell) => silence.reason(cell.id) === undefined && cell.traces.length > 1
  const pairs = alike
    .filter(({ cell }) => counts(cell))
    .flatMap(({ cell }) =>
      partnersOf(cell)
        .filter(counts)
        .map((other) => ({ cell, other })),
    )
    .map(({ cell, other }) => ({
      equal: cell.traces[0] === other.traces[0],
      sameSettings: sameSettings(cell, other, name),
    }))
  return {
    asked: first.condition.knobs[name] as KnobValue,
    state: state === 'left out' ? 'unknown' : state,
    by: state === 'replaced' ? value : undefined,
    cells: alike.map(({ cell }) => cell.id),
    againstLeftOut: {
      pairs: pairs.length,
      equal: pairs.filter(({ equal }) => equal).length,
      sameSettings: pairs.filter((pair) => pair.sameSettings).length,
      hidden: pairs.filter((pair) => pair.sameSettings && !pair.equal).length,
    },
  }
}

function sameSettings(cell: TrialCell, other: TrialCell, name: string): boolean {
  return Object.hasOwn(other.effective, name) && canonicalJson(cell.effective) === canonicalJson(other.effective)
}

function withoutEffect(values: readonly ValueStatement[]): ValueStatement[] {
  return [...groupBy(values, ({ asked }) => canonicalJson(asked)).values()].flatMap((states) => {
    const says = states.every(
      ({ state, againstLeftOut: { pairs, equal, sameSettings: same } }) =>
        state !== 'unknown' && pairs > 0 && equal === pairs && same === pairs,
    )
    return says ? states : []
  })
}
