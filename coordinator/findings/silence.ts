import type { RequestedCondition } from '../../shared/condition.ts'
import { deviceKind, machineOf } from './machine-names.ts'
import { knobsKey } from './trial-cell.ts'

/** Why a cell is no evidence for a difference between cells. */
export type SilenceReason =
  /** Its own executions differ. */
  | { readonly why: 'disagrees with itself' }
  /** `cell` has the same condition, workload and machine, and disagrees with itself. */
  | { readonly why: 'nondeterministic condition'; readonly cell: string }
  /** `cells`, on two other machines, have the same condition and workload, and disagree with themselves. */
  | { readonly why: 'nondeterministic on two machines'; readonly cells: readonly [string, string] }

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
 * and explains nothing. Nor does a cell of the same condition, workload and machine, with any parameters and seed:
 * few executions of a rare outcome are often equal by chance. If a condition is nondeterministic in a workload on two
 * machines, it is no evidence in that workload on any machine.
 *
 * A workload is an id at a version (DESIGN §1), so this holds across parameters. A condition is what the plan asks for.
 * Each card is a machine, and cards have one condition: else the last of eight cards could be claimed to differ although
 * seven toss coins.
 */
export function findSilence(cells: readonly SilenceCell[]): Silence {
  const keys = new Map(cells.map((cell) => [cell.id, conditionKey(cell)]))
  /** By condition and workload: for each machine, its first cell that disagrees with itself. */
  const witnesses = new Map<string, Map<string, string>>()
  const unstable = new Set<string>()
  for (const cell of cells) {
    const { id, traces } = cell
    if (!traces.some((trace) => trace !== traces[0])) continue
    unstable.add(id)
    const key = keys.get(id) as string
    const machines = witnesses.get(key) ?? new Map<string, string>()
    if (!machines.has(machineOf(cell))) machines.set(machineOf(cell), id)
    witnesses.set(key, machines)
  }
  const reasons = new Map<string, SilenceReason>()
  for (const cell of cells) {
    const { id } = cell
    const machines = witnesses.get(keys.get(id) as string)
    if (machines === undefined) continue
    const here = machines.get(machineOf(cell))
    const [first, second] = machines.values()
    if (unstable.has(id)) reasons.set(id, { why: 'disagrees with itself' })
    else if (here !== undefined) reasons.set(id, { why: 'nondeterministic condition', cell: here })
    else if (first !== undefined && second !== undefined) {
      reasons.set(id, { why: 'nondeterministic on two machines', cells: [first, second] })
    }
  }
  return { reason: (cell) => reasons.get(cell) }
}

function conditionKey({ workload, condition: { backend, device, knobs } }: SilenceCell): string {
  return JSON.stringify([workload, backend, deviceKind(device), knobsKey(knobs)])
}
