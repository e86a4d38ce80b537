import { ownValue } from '../../shared/own-value.ts'
import type { ReportCell, SettingState } from '../report/format.ts'

/**
 * What became of each knob that the plan sets in a cell. Agents before 0.2 do not say it: then a value that the library
 * reads back otherwise is replaced, and one that it does not read back is unknown.
 */
export function settingStates({
  condition,
  notes,
}: Pick<ReportCell, 'condition' | 'notes'>): Record<string, SettingState> {
  const { knobs, effective, settings } = condition
  const states: Record<string, SettingState> = {}
  for (const [name, value] of Object.entries(knobs)) {
    const why = notes.find(({ kind, subject }) => kind === 'no-effect' && subject === name)?.message
    states[name] = ownValue(settings, name) ?? stateFromReadBack(String(value), ownValue(effective, name), why)
  }
  return states
}

function stateFromReadBack(asked: string, readBack: string | undefined, why: string | undefined): SettingState {
  if (readBack === undefined) return { state: 'unknown', why }
  const same = readBack.toLowerCase() === asked.toLowerCase()
  return same ? { state: 'in force' } : { state: 'replaced', by: readBack, why }
}
