import type { KnobFinding, ReportCore } from '../report/format.ts'
import { plural } from '../report/wording.ts'
import { settingStates } from './effective.ts'
import type { KnobStatement, ValueStatement } from './knob-statements.ts'

/** What a report says of knob values that are not simply in force, in words. */
export function findKnobs(core: ReportCore, statements: readonly KnobStatement[]): KnobFinding[] {
  const reasons = new Map<string, string>()
  for (const cell of core.cells) {
    for (const [name, state] of Object.entries(settingStates(cell))) {
      if (state.state !== 'in force' && state.why !== undefined) reasons.set(`${cell.id} ${name}`, state.why)
    }
  }
  return statements.flatMap(({ knob, values, ...statement }) => {
    const bare = knob.slice(knob.indexOf('.') + 1)
    const noEffect = statement.bits === 'followed' ? [] : statement.noEffect
    return values.flatMap((value): KnobFinding[] => {
      const state = noEffect.includes(value) ? 'no effect' : value.state
      if (state === 'in force') return []
      const why = value.cells.map((id) => reasons.get(`${id} ${bare}`)).find((text) => text !== undefined)
      const text = `${knob}=${String(value.asked)}${stateText(value, state)}${why === undefined ? '' : ` (${why})`}`
      return [{ knob, value: String(value.asked), state, by: value.by, cells: [...value.cells], text }]
    })
  })
}

function stateText({ by, againstLeftOut }: ValueStatement, state: KnobFinding['state']): string {
  const { pairs } = againstLeftOut
  switch (state) {
    case 'no effect':
      return ` had no effect: bits and settings are those of leaving it out, in ${plural(pairs, 'pair')} of cells${by === undefined ? '' : `; ${by} is in force`}`
    case 'replaced':
      return ` was replaced by ${by}${againstText(againstLeftOut)}`
    case 'unknown':
      return `: whether it is in force is unknown, because it is not read back${againstText(againstLeftOut)}`
  }
}

function againstText({ pairs, equal }: ValueStatement['againstLeftOut']): string {
  if (pairs === 0) return ''
  if (equal === pairs) return `; the bits are those of leaving it out, in ${plural(pairs, 'pair')} of cells`
  return `; it differs from leaving it out in ${pairs - equal} of ${plural(pairs, 'pair')} of cells`
}
