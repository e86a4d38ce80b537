import { classifyVariable, effectOfVariable, type Environment, relevantValue } from '../../shared/environment.ts'
import { isPassedOn, sayWithheld } from '../daemon/runner-environment.ts'
import { type Check, ok, warn } from './check.ts'

/** A warning for each variable of the environment that changes what libraries compute without any knob. */
export function checkEnvironment(environment: Environment): Check[] {
  const warnings = Object.entries(environment).flatMap(([name, value]): Check[] => {
    const relevant = value === undefined ? undefined : relevantValue(name, value)
    if (relevant === undefined) return []
    const kind = classifyVariable(name, relevant)
    const check = `environment ${name}`
    if (name === 'LD_PRELOAD') {
      const withheld = sayWithheld(environment)
      return withheld === undefined ? [] : [warn(check, withheld, 'unset LD_PRELOAD')]
    }
    if (kind === undefined || !isPassedOn(name)) return []
    const consequence = kind === 'code path' ? '; every condition counts as override' : ''
    const remedy =
      kind === 'code path' || kind === 'threads'
        ? `unset ${name}, or start with --clean`
        : `unset ${name}, if libraries are found without it; --clean keeps it`
    return [warn(check, `${name}=${relevant}: ${effectOfVariable(name, relevant)}${consequence}`, remedy)]
  })
  return warnings.length > 0 ? warnings : [ok('environment', 'no variable changes what libraries compute')]
}
