import { createContext, Script } from 'node:vm'
import { BitfleetError, messageOf } from '../../shared/errors.ts'

/** A pattern of Bitfleet's own backends takes microseconds. */
const timeoutMs = 250

const context = createContext(Object.create(null) as Record<string, string>)
const match = new Script('new RegExp(pattern).test(value)')

/**
 * Whether a knob's pattern takes a value. The pattern is an agent's word: one that goes on backtracking (`^(a+)+$`) holds
 * up whoever tries it, and must not hold up the coordinator.
 *
 * @throws `refused` for a pattern that is none, or takes too long
 */
export function takesValue(pattern: string, value: string): boolean {
  Object.assign(context, { pattern, value })
  try {
    return match.runInContext(context, { timeout: timeoutMs }) === true
  } catch (cause) {
    throw new BitfleetError(
      'refused',
      `an agent describes the values by a pattern that cannot be used: ${reason(cause)}`,
      { cause },
    )
  }
}

/** An error of the context is none of this one's classes. */
function reason(cause: unknown): string {
  const { message } = cause as { message?: unknown }
  return typeof message === 'string' ? message.slice(0, 200) : messageOf(cause)
}
