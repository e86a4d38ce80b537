import { BitfleetError } from './errors.ts'

/**
 * An explicit list of things with ids, as it was given.
 *
 * @throws `internal` when it is made, if two have one id
 */
export function createRegistry<Entry extends { readonly id: string }>(what: string, entries: Entry[]): Entry[] {
  const seen = new Set<string>()
  for (const { id } of entries) {
    if (seen.has(id)) throw new BitfleetError('internal', `${what} "${id}" is listed twice; ids are unique`)
    seen.add(id)
  }
  return entries
}
