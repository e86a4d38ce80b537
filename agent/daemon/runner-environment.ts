import type { KnobDescription } from '../../shared/backend-description.ts'
import type { Knobs } from '../../shared/condition.ts'
import {
  classifyVariable,
  effectOfVariable,
  type Environment,
  isCodePathFlag,
  relevantValue,
} from '../../shared/environment.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { ownValue } from '../../shared/own-value.ts'
import type { Note } from '../../shared/execution.ts'
import type { Attributes, Facts } from '../../shared/facts.ts'

/** What any program needs; it is not recorded. */
const plainVariables = ['PATH', 'HOME', 'LANG', 'LD_LIBRARY_PATH']

/**
 * Variables that numeric libraries read: they pass through to runners, and are facts. Where other programs share a
 * prefix (Terraform has TF_ too, and keeps tokens there), only what changes numbers is named.
 */
const numericVariable = new RegExp(
  `^(?:${[
    '(?:OPENBLAS|OMP|GOMP|KMP|MKL|BLIS|ONEDNN|ATEN|NPY|GALLIUM|LP|MALLOC)_\\w+',
    'TF_(?:ENABLE|DISABLE|USE|FORCE|XLA|CUDNN|CUBLAS|CPU|GPU|DETERMINISTIC|AUTOTUNE|NUM|INTRA_OP|INTER_OP|ONEDNN|MKL)_\\w+',
    'XLA_(?:FLAGS|PYTHON_CLIENT_\\w+)',
    'CUDA_(?:VISIBLE_DEVICES|DEVICE_ORDER|LAUNCH_BLOCKING|MODULE_LOADING|FORCE_PTX_JIT|DISABLE_PTX_JIT|DEVICE_MAX_\\w+)',
    'CU(?:BLAS_WORKSPACE_CONFIG|DNN_\\w+)',
    'NVIDIA_(?:TF32_OVERRIDE|VISIBLE_DEVICES|DRIVER_CAPABILITIES)',
    'GLIBC_TUNABLES',
  ].join('|')})$`,
)

/** Whatever its prefix: a name that says secret or place, which changes no number. */
const otherwise = /(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_KEY|ACCESS_KEY|CONFIG_FILE|_DIR|_PATH|_FILE|_HOME)/

/** Whether a variable is one that numeric libraries read. */
function isNumeric(name: string): boolean {
  return numericVariable.test(name) && !otherwise.test(name)
}

/** Whether a variable of the agent's environment reaches its runners. */
export function isPassedOn(name: string): boolean {
  return plainVariables.includes(name) || isNumeric(name)
}

export interface RunnerStart {
  readonly environment: Readonly<Record<string, string>>
  readonly nodeArguments: readonly string[]
  /** What bears on bits of the agent's own environment and is in force, because no knob and no command set it otherwise. */
  readonly ambient: Readonly<Record<string, string>>
  /** Whether something besides a knob's own variable selects a code path: the environment, or a flag of Node. */
  readonly choosesCodePath: boolean
}

/**
 * How to start a runner so that knobs are in force from its first instruction: nothing of the agent's environment but
 * what programs need and numeric libraries read, then what the knobs set.
 *
 * @param temporary folder for the runner's temporary files
 * @param own what the runner's command sets itself, before the knobs
 * @throws `usage` for a knob the backend does not have or a value it does not take
 */
export function runnerStart(
  agent: Environment,
  described: readonly KnobDescription[],
  knobs: Knobs,
  temporary: string,
  own: Readonly<Record<string, string>> = {},
): RunnerStart {
  const unset: Record<string, string> = { TMPDIR: temporary }
  for (const [name, value] of Object.entries(agent)) {
    if (value !== undefined && isPassedOn(name)) unset[name] = value
  }
  Object.assign(unset, own)
  const byKnobs: Record<string, string> = {}
  const nodeArguments: string[] = []
  for (const [name, value] of Object.entries(knobs)) {
    const text = String(value)
    const knob = described.find((candidate) => candidate.name === name)
    if (knob === undefined) throw new BitfleetError('usage', `the backend has no knob "${name}"`)
    if (!new RegExp(knob.pattern).test(text)) {
      throw new BitfleetError('usage', `knob ${name} does not take "${text}"; it takes ${knob.values}`)
    }
    if (knob.apply.by === 'env') byKnobs[knob.apply.variable] = knob.apply.template.replaceAll('%s', () => text)
    if (knob.apply.by === 'node-arguments') nodeArguments.push(...(ownValue(knob.apply.arguments, text) ?? []))
  }
  const left = Object.fromEntries(Object.entries(unset).filter(([name]) => !Object.hasOwn(byKnobs, name)))
  const flags = [...nodeArguments, ...(left.NODE_OPTIONS ?? '').split(/\s+/)]
  return {
    environment: { ...left, ...byKnobs },
    nodeArguments,
    ambient: ambientVariables(Object.fromEntries(Object.entries(left).filter(([name]) => !Object.hasOwn(own, name)))),
    choosesCodePath:
      flags.some(isCodePathFlag) ||
      Object.entries(left).some(([name, value]) => classifyVariable(name, value) === 'code path'),
  }
}

/** The variables that reach runners and bear on bits, each with the part of its value that does. */
function ambientVariables(environment: Environment): Record<string, string> {
  const ambient: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || !(isNumeric(name) || (isPassedOn(name) && classifyVariable(name, value)))) continue
    const relevant = relevantValue(name, value)
    if (relevant !== undefined) ambient[name] = relevant
  }
  return ambient
}

/** The same as facts. */
export function environmentFacts(environment: Environment): Facts {
  return Object.fromEntries(
    Object.entries(ambientVariables(environment)).map(([name, value]) => [`env.${name}`, value]),
  )
}

/** A note for each code path that the agent's environment chose, and for what it has and its runners do not get. */
export function environmentNotes(agent: Environment, { ambient }: Pick<RunnerStart, 'ambient'>): Note[] {
  const notes = Object.entries(ambient).flatMap(([name, value]): Note[] => {
    if (classifyVariable(name, value) !== 'code path') return []
    const message =
      `the agent was started with ${name}=${value}, and no knob sets it: ${effectOfVariable(name, value)}. ` +
      `Unset ${name}, or start with --clean`
    return [{ kind: 'environment', subject: name, message }]
  })
  const withheld = sayWithheld(agent)
  return withheld === undefined ? notes : [...notes, { kind: 'environment', subject: preload, message: withheld }]
}

const preload = 'LD_PRELOAD'

/** What a library that the agent preloads means for its runners: nothing, and a person may expect otherwise. */
export function sayWithheld({ [preload]: value }: Environment): string | undefined {
  return value ? `the agent was started with ${preload}=${value}; its runners do not get this variable` : undefined
}

/** What an agent's environment adds to its record: facts that may explain, and what does not reach its runners. */
export function environmentRecord(agent: Environment): { facts: Facts; attributes: Attributes } {
  const withheld = sayWithheld(agent)
  return {
    facts: environmentFacts(agent),
    attributes: withheld === undefined ? {} : { [`warning.${preload}`]: withheld },
  }
}
