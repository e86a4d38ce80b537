import { appendFileSync } from 'node:fs'

/**
 * For tests of what not every machine has: whether to skip, loudly. What could not run is said on standard error and,
 * where `BITFLEET_SKIPS` names a file, appended to it as a line of JSON, so that a run of the tests ends with the list.
 * In continuous integration what could have been installed must be there, and its absence fails.
 *
 * @param name      the tests that need it
 * @param available whether it is there
 * @param reason    why it is not
 * @param install   the command that adds it, where there is one
 * @returns true to skip
 */
export function needs(name: string, available: boolean, reason: string, install?: string): boolean {
  if (available) return false
  const remedy = install === undefined ? '' : `; ${install} adds it`
  if (process.env.CI === 'true' && install !== undefined) throw new Error(`${name} cannot run: ${reason}${remedy}`)
  process.stderr.write(`skipped: ${name}: ${reason}${remedy}\n`)
  const file = process.env.BITFLEET_SKIPS
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify({ name, reason, install })}\n`)
  return true
}
