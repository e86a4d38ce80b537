import type { RequestedCondition } from '../../shared/condition.ts'
import { knobsKey } from './trial-cell.ts'

/** Why a cell is no evidence for a difference between cells. */
export type SilenceReason =
  /** Its own executions differ. */
  | { readonly why: 'disagrees with itself' }
  /** `cell` has the same condition, workload and agent, and disagrees with itself. */
  | { readonly why: 'nondeterministic condition'; readonly cell: string }
  /** `cells`, on two other agents, have the same condition and workload, and disagree with themselves. */
  | { readonly why: 'nondeterministic on two agents'; readonly cells: readonly [string, string] }

export interface Silence {
  /** Undefined for a cell that may serve as evidence. */
  reason(cell: string): SilenceReason | undefined
}

interface SilenceCell {
  readonly id: string
  readonly agent: string
  readonly workload: string
  readonly condition: RequestedCondition
  readonly traces: readonly string[]
}

/**
 * Which cells may serve as evidence, and why the others may not. A cell that disagrees with itself is nondeterministic
 * and explains nothing. Nor does a cell of the same condition, workload and agent, with whatever parameters and seed:
 * few executions of a rare outcome are often equal by chance. If a condition is nondeterministic in a workload on two
 * agents, it is no evidence in that workload on any agent.
 *
 * A workload is an id at a version (DESIGN §1), so this holds across parameters. A condition is what the plan asks for.
 */
export function findSilence(cells: readonly SilenceCell[]): Silence {
  const keys = new Map(cells.map((cell) => [cell.id, conditionKey(cell)]))
  /** By condition and workload: for each agent, its first cell that disagrees with itself. */
  const witnesses = new Map<string, Map<string, string>>()
  const unstable = new Set<string>()
  for (const { id, agent, traces } of cells) {
    if (!traces.some((trace) => trace !== traces[0])) continue
    unstable.add(id)
    const key = keys.get(id) as string
    const agents = witnesses.get(key) ?? new Map<string, string>()
    if (!agents.has(agent)) agents.set(agent, id)
    witnesses.set(key, agents)
  }
  const reasons = new Map<string, SilenceReason>()
  for (const { id, agent } of cells) {
    const agents = witnesses.get(keys.get(id) as string)
    if (agents === undefined) continue
    const here = agents.get(agent)
    const [first, second] = agents.values()
    if (unstable.has(id)) reasons.set(id, { why: 'disagrees with itself' })
    else if (here !== undefined) reasons.set(id, { why: 'nondeterministic condition', cell: here })
    else if (first !== undefined && second !== undefined) {
      reasons.set(id, { why: 'nondeterministic on two agents', cells: [first, second] })
    }
  }
  return { reason: (cell) => reasons.get(cell) }
}

function conditionKey({ workload, condition: { backend, device, knobs } }: SilenceCell): string {
  return JSON.stringify([workload, backend, device, knobsKey(knobs)])
}
