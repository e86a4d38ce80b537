import { createContext, Script } from 'node:vm'
import { BitfleetError, messageOf } from '../../shared/errors.ts'

/** A pattern of Bitfleet's own backends takes microseconds. */
const timeoutMs = 250

/** Values that are tried in one call of the script, which costs more than a value does. */
const valuesAtOnce = 1000

const context = createContext(Object.create(null) as Record<string, string>)
const match = new Script(
  '{ const regexp = new RegExp(pattern); JSON.parse(values).findIndex((value) => !regexp.test(value)) }',
)

/**
 * The first of some values that a knob's pattern does not take. The pattern is an agent's word: one that
 * backtracks without end (`^(a+)+$`) must not hold up the coordinator.
 *
 * @throws `refused` for text that is not a pattern, and for a pattern that takes too long
 */
export function firstRefused(pattern: string, values: readonly string[]): string | undefined {
  for (let at = 0; at < values.length; at += valuesAtOnce) {
    const some = values.slice(at, at + valuesAtOnce)
    const refused = some[indexOfRefused(pattern, some)]
    if (refused !== undefined) return refused
  }
  return undefined
}

function indexOfRefused(pattern: string, values: readonly string[]): number {
  Object.assign(context, { pattern, values: JSON.stringify(values) })
  try {
    return Number(match.runInContext(context, { timeout: timeoutMs }))
  } catch (cause) {
    throw new BitfleetError(
      'refused',
      `an agent describes the values by a pattern that cannot be used: ${reason(cause)}`,
      { cause },
    )
  }
}

/** Errors of another context have classes of their own. */
function reason(cause: unknown): string {
  const { message } = cause as { message?: unknown }
  return typeof message === 'string' ? message.slice(0, 200) : messageOf(cause)
}
