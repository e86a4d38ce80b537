import type { Facts } from '../../shared/facts.ts'

/** What is recorded only where it is there: its absence is a value. */
const recordedIfThere = /^(?:cpu\.flags|gpu\.[^.]+\.flags|env)\.|^knob\.[^.]+\.(?!effective\.)/

/**
 * How many machines lack a fact without a record of its absence. A processor's flags are all recorded together: where
 * one is, others are known not to be there. So are the settings and variables that were in force.
 */
export function machinesThatLack(machines: readonly { readonly facts: Facts }[], fact: string): number {
  const [, ...rest] = fact.split('.').reverse()
  const family = `${rest.reverse().join('.')}.`
  const isRecorded = (facts: Facts) =>
    recordedIfThere.test(fact) &&
    (!fact.includes('.flags.') || Object.keys(facts).some((key) => key.startsWith(family)))
  return machines.filter(({ facts }) => facts[fact] === undefined && !isRecorded(facts)).length
}
