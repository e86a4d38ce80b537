import type { KnobDescription } from '../../shared/backend-description.ts'
import type { Knobs } from '../../shared/condition.ts'
import type { Facts } from '../../shared/facts.ts'
import { BitfleetError } from '../../shared/errors.ts'

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
  const environment: Record<string, string> = { TMPDIR: temporary }
  for (const [name, value] of Object.entries(agent)) {
    if (value !== undefined && (plainVariables.includes(name) || isNumeric(name))) environment[name] = value
  }
  Object.assign(environment, own)
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
    if (value !== undefined && isNumeric(name)) facts[`env.${name}`] = value
  }
  return facts
}
