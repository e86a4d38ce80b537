import { canonicalJson } from '../../shared/canonical-json.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import type { CellOutcome, Lack } from './cells.ts'

/**
 * Tells the cells that no machine could compute from those that this one cannot. A cell is absent if its agent has no
 * such backend or device ready, if it is of a listed program, or if another agent completed the same. Else its backend
 * never computes this.
 */
export function withLacks(outcomes: readonly CellOutcome[], agents: readonly AgentRecord[]): CellOutcome[] {
  const byId = new Map(agents.map((agent) => [agent.id, agent]))
  const elsewhere = new Set<string>()
  for (const outcome of outcomes) if (outcome.completed.length > 0) elsewhere.add(requestOf(outcome))
  return outcomes.map((outcome) => {
    if (outcome.ending.status !== 'unsupported' || outcome.completed.length > 0) return outcome
    const absent = lacksBackend(outcome, byId.get(outcome.cell.agent)) || elsewhere.has(requestOf(outcome))
    const lack: Lack = absent ? 'absent' : 'inapplicable'
    return { ...outcome, lack }
  })
}

function lacksBackend({ cell }: CellOutcome, agent: AgentRecord | undefined): boolean {
  // Nothing but the machine keeps a program from running there.
  if (cell.workload === 'program') return true
  const { backend, device } = cell.condition
  const ready = agent?.backends.some(({ id, status }) => id === backend && status === 'ready') ?? false
  const hasDevice = device === 'cpu' || (agent?.devices.some(({ id }) => id === device) ?? false)
  return !ready || !hasDevice
}

/** What was asked for, wherever it ran. */
function requestOf({ cell: { workload, workloadVersion, params, seed, condition } }: CellOutcome): string {
  return canonicalJson([workload, workloadVersion, params, seed, condition])
}
