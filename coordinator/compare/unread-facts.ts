import type { Facts } from '../../shared/facts.ts'

// Facts that an agent can only read at the right moment, and so reads in some executions and not in others: that is no
// difference between the executions.

/** `fp.program.after.ftz`, say; the text of a `method` says why nothing was read. */
const fleeting = /^fp\.program\./
const unread = /^not read\b/

/**
 * Lets the executions in which a fact was read speak for those in which it was not, if all of them say the same.
 *
 * @param all the facts of each execution of a cell
 */
export function fillUnread(all: readonly Facts[]): Facts[] {
  const keys = [...new Set(all.flatMap((facts) => Object.keys(facts).filter((key) => fleeting.test(key))))]
  const spoken = new Map<string, string>()
  for (const key of keys) {
    const said = all.flatMap((facts) => facts[key] ?? []).sort()
    const [value, ...others] = new Set(said.filter((text) => !unread.test(text)))
    // If nobody could read it, one reason stands for all.
    if (others.length === 0) spoken.set(key, value ?? (said[0] as string))
  }
  const lacks = (facts: Facts, key: string) => facts[key] === undefined || unread.test(facts[key])
  return all.map((facts) => ({
    ...facts,
    ...Object.fromEntries([...spoken].filter(([key]) => lacks(facts, key))),
  }))
}
