import type { KnobDescription } from '../../shared/backend-description.ts'
import type { Knobs } from '../../shared/condition.ts'
import type { Facts } from '../../shared/facts.ts'
import { BitfleetError } from '../../shared/errors.ts'

/** What any program needs; it is not recorded. */
const plainVariables = ['PATH', 'HOME', 'LANG', 'LD_LIBRARY_PATH']

/** Variables that numeric libraries read: they pass through to runners, and are facts. */
const numericVariable =
  /^(?:(?:OPENBLAS|OMP|GOMP|KMP|MKL|BLIS|TF|ONEDNN|XLA|CUDA|NVIDIA|ATEN|NPY|GALLIUM|LP|MALLOC)_\w+|GLIBC_TUNABLES)$/

type Environment = Readonly<Record<string, string | undefined>>

export interface RunnerStart {
  readonly environment: Readonly<Record<string, string>>
  readonly nodeArguments: readonly string[]
}

/**
 * How to start a runner so that knobs are in force from its first instruction: nothing of the agent's environment but
 * what programs need and numeric libraries read, then what the knobs set.
 *
 * @param temporary folder for the runner's temporary files
 * @throws `usage` for a knob the backend does not have or a value it does not take
 */
export function runnerStart(
  agent: Environment,
  described: readonly KnobDescription[],
  knobs: Knobs,
  temporary: string,
): RunnerStart {
  const environment: Record<string, string> = { TMPDIR: temporary }
  for (const [name, value] of Object.entries(agent)) {
    if (value !== undefined && (plainVariables.includes(name) || numericVariable.test(name))) environment[name] = value
  }
  const nodeArguments: string[] = []
  for (const [name, value] of Object.entries(knobs)) {
    const text = String(value)
    const knob = described.find((candidate) => candidate.name === name)
    if (knob === undefined) throw new BitfleetError('usage', `the backend has no knob "${name}"`)
    if (!new RegExp(knob.pattern).test(text)) {
      throw new BitfleetError('usage', `knob ${name} does not take "${text}"; it takes ${knob.values}`)
    }
    if (knob.apply.by === 'env') environment[knob.apply.variable] = knob.apply.template.replaceAll('%s', () => text)
    if (knob.apply.by === 'node-arguments') nodeArguments.push(...(knob.apply.arguments[text] ?? []))
  }
  return { environment, nodeArguments }
}

/** The numeric variables in force, as facts. */
export function environmentFacts(environment: Environment): Facts {
  const facts: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && numericVariable.test(name)) facts[`env.${name}`] = value
  }
  return facts
}
