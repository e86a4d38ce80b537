import { backendName } from '../../shared/backend-description.ts'
import { effectiveFact, type Facts, isFactKey, isProcessorFact, knobFact } from '../../shared/facts.ts'
import type { ReportCell } from '../report/format.ts'

/** Each agent's facts by its id; what it sent under a key that is no fact's is left out. */
export function agentFactsById(agents: readonly { readonly id: string; readonly facts: Facts }[]): Map<string, Facts> {
  return new Map(agents.map(({ id, facts }) => [id, onlyFacts(facts)]))
}

function onlyFacts(facts: Facts): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([key]) => isFactKey(key)))
}

/** Of a cell, what a set of facts about it is made of. */
export type FactSource = Pick<ReportCell, 'facts' | 'varying'> & {
  readonly condition: Pick<ReportCell['condition'], 'backend' | 'version' | 'device' | 'knobs' | 'effective'>
}

/**
 * All facts of one cell: its agent's, its executions', its condition. What its own executions disagreed on is no fact
 * of the cell; attributes never are. Nor are facts of the agent's processor where another one was emulated.
 *
 * @param agentFacts of `agentFactsById`
 */
export function unitFacts(agentFacts: Facts, { facts, varying, condition }: FactSource): Facts {
  const own = onlyFacts(facts)
  const emulated = own.emulator !== undefined || varying.emulator !== undefined
  const around = emulated
    ? Object.fromEntries(Object.entries(agentFacts).filter(([key]) => !isProcessorFact(key)))
    : agentFacts
  const all: Record<string, string> = {
    ...around,
    ...own,
    // The version stands apart, so that it can be the cause, and so that `js` and `js@22` can be the same.
    backend: backendName(condition.backend),
    device: condition.device,
  }
  if (condition.version !== null) all['backend.version'] = condition.version
  const { backend } = condition
  for (const [name, value] of Object.entries(condition.knobs)) all[knobFact(backend, name)] = String(value)
  for (const [name, value] of Object.entries(condition.effective)) all[effectiveFact(backend, name)] = value
  for (const key of Object.keys(varying)) delete all[key]
  return all
}

/** What a plan asks for in one cell. */
export type AskedCondition = Pick<ReportCell['condition'], 'backend' | 'device' | 'knobs'>

/** Names of the facts that the plan varied over these cells: what it asked for with more than one value, or only in some. */
export function plannedFacts(conditions: readonly AskedCondition[]): Set<string> {
  const values = new Map<string, Set<string>>()
  const seen = new Map<string, number>()
  for (const { backend, device, knobs } of conditions) {
    const [, version] = backend.split('@', 2)
    const asked: [string, string][] = [
      ['backend', backendName(backend)],
      ['device', device],
      ...Object.entries(knobs).map(([name, value]): [string, string] => [knobFact(backend, name), String(value)]),
    ]
    if (version !== undefined) asked.push(['backend.version', version])
    for (const [name, value] of asked) {
      values.set(name, (values.get(name) ?? new Set()).add(value))
      seen.set(name, (seen.get(name) ?? 0) + 1)
    }
  }
  return new Set(
    [...values].flatMap(([name, found]) =>
      found.size > 1 || (seen.get(name) as number) < conditions.length ? [name] : [],
    ),
  )
}
