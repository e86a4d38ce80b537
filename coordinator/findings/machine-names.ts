import type { ReportCore } from '../report/format.ts'
import { agentNames, byNaturalName, uniqueNames } from '../report/wording.ts'

/** What computes and is compared as one machine: an agent's processor, or one of its cards. */
export interface MachineName {
  readonly id: string
  readonly agent: string
  /** `gpu0`; undefined for the processor. */
  readonly device: string | undefined
  readonly name: string
}

/** The id of the machine that a cell ran on: its agent's, or `AGENT/gpu3`, since each card is a machine of its own. */
export function machineOf({
  agent,
  condition: { device },
}: {
  readonly agent: string
  readonly condition: { readonly device: string }
}): string {
  return device === 'cpu' ? agent : `${agent}/${device}`
}

/** `gpu` for each card: what is asked of one card is asked of another. */
export function deviceKind(device: string): string {
  return device.startsWith('gpu') ? 'gpu' : device
}

/** The machines that cells were planned for, in the order of their names. */
export function machinesOf(core: Pick<ReportCore, 'agents' | 'cells'>): MachineName[] {
  const names = agentNames(core)
  const found = new Map<string, MachineName>()
  for (const cell of core.cells) {
    const id = machineOf(cell)
    if (cell.lack === 'inapplicable' || found.has(id)) continue
    const device = cell.condition.device === 'cpu' ? undefined : cell.condition.device
    const name = names.get(cell.agent) ?? cell.agent
    found.set(id, { id, agent: cell.agent, device, name: device === undefined ? name : `${name}/${device}` })
  }
  // An agent may be called as another one's card is.
  const unique = uniqueNames([...found.values()])
  return [...found.values()]
    .map((machine) => ({ ...machine, name: unique.get(machine.id) ?? machine.name }))
    .sort((a, b) => byNaturalName(a.name, b.name) || (a.id < b.id ? -1 : 1))
}
