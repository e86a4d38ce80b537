import { type Facts, isFactKey } from '../../shared/facts.ts'
import type { ReportCell } from '../report/format.ts'

/** Of a cell, what a set of facts about it is made of. */
export type FactSource = Pick<ReportCell, 'facts' | 'varying'> & {
  readonly condition: Pick<ReportCell['condition'], 'backend' | 'version' | 'device' | 'knobs' | 'effective'>
}

/**
 * All facts of one cell: its agent's, its executions', its condition. What its own executions disagreed on is no fact
 * of the cell; attributes never are.
 */
export function unitFacts(agentFacts: Facts, { facts, varying, condition }: FactSource): Facts {
  const all: Record<string, string> = { backend: condition.backend, device: condition.device }
  for (const [key, value] of Object.entries({ ...agentFacts, ...facts })) if (isFactKey(key)) all[key] = value
  if (condition.version !== null) all['backend.version'] = condition.version
  for (const [name, value] of Object.entries(condition.knobs)) all[`knob.${name}`] = String(value)
  for (const [name, value] of Object.entries(condition.effective)) all[`knob.effective.${name}`] = value
  for (const key of Object.keys(varying)) delete all[key]
  return all
}
