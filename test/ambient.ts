import { cleanEnvironment } from '../shared/environment.ts'

type MutableEnvironment = Record<string, string | undefined>

/**
 * Removes from an environment what changes bits: some machines export OPENBLAS_CORETYPE and its like, and the tests
 * expect a processor's own bits. `vitest.config.ts` calls it, so all tests and what they start inherit the result.
 */
export function clearAmbient(environment: MutableEnvironment): void {
  const { environment: kept, removed } = cleanEnvironment(environment)
  for (const name of Object.keys(removed)) {
    const rest = kept[name]
    if (rest === undefined) delete environment[name]
    else environment[name] = rest
  }
}

/** What changes bits and is still in an environment, as `NAME=value`. */
export function ambientIn(environment: Readonly<MutableEnvironment>): string[] {
  return Object.entries(cleanEnvironment(environment).removed).map(([name, value]) => `${name}=${value}`)
}
