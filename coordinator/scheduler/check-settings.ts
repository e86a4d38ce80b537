import { BitfleetError } from '../../shared/errors.ts'
import type { Execution } from '../../shared/execution.ts'
import type { CellRecord } from '../records.ts'

/** More than any library has; what stands in a report is bounded where it arrives. */
const maxAmbient = 256
const maxTextLength = 4096

/**
 * Checks what an agent says of knobs and of variables: only of knobs that the cell asks for, and no more text than a
 * report can hold. What is in force there, nobody else knows.
 *
 * @throws `protocol`
 */
export function checkSettings({ settings = {}, ambient = {} }: Execution, { condition }: CellRecord): void {
  for (const [name, state] of Object.entries(settings)) {
    if (!Object.hasOwn(condition.knobs, name)) {
      throw new BitfleetError(
        'protocol',
        `the execution says what became of knob "${name}", which the plan does not set`,
      )
    }
    const asked = String(condition.knobs[name])
    if (state.state === 'replaced' && state.by === asked) {
      throw new BitfleetError(
        'protocol',
        `the execution says that knob "${name}" was replaced by the value asked for, ${asked}`,
      )
    }
    const texts = state.state === 'in force' ? [] : [state.why ?? '', state.state === 'replaced' ? state.by : '']
    checkLength(`knob "${name}"`, texts)
  }
  const variables = Object.entries(ambient)
  if (variables.length > maxAmbient) {
    throw new BitfleetError(
      'protocol',
      `the execution names ${variables.length} variables; at most ${maxAmbient} go along`,
    )
  }
  for (const [name, value] of variables) checkLength('a variable', [name, value])
}

function checkLength(what: string, texts: readonly string[]): void {
  if (texts.every(({ length }) => length <= maxTextLength)) return
  throw new BitfleetError('protocol', `what is said of ${what} has more than ${maxTextLength} characters`)
}

/** Whether what it says of settings may stand in a record. */
export function hasSoundSettings(execution: Execution, cell: CellRecord): boolean {
  try {
    checkSettings(execution, cell)
    return true
  } catch {
    return false
  }
}
