import { type Attributes, type Facts, partFacts } from '../../shared/facts.ts'
import { type RunCommand, runCommand } from './command.ts'
import { readCpu } from './cpu.ts'
import { readBoard } from './dmi.ts'
import { readGpus } from './gpu.ts'
import type { Observed } from './observed.ts'
import { readSystemInformation } from './other-systems.ts'
import { type Roots, systemRoots } from './roots.ts'
import { readSystem } from './system.ts'

/** What computes on this machine. */
export interface Device {
  /** `cpu`, or `gpuN` as in the facts `gpu.N.*`. */
  readonly id: string
  readonly kind: 'cpu' | 'gpu'
  readonly title: string
}

export interface Inventory {
  readonly facts: Facts
  /** What names this machine or moves by itself; also `warning.TOOL` for each tool that broke. */
  readonly attributes: Attributes
  readonly devices: readonly Device[]
}

/**
 * The machine as facts: processors, cards, board, system, memory, hypervisor and container. Loads no native module and
 * runs tools for at most five seconds each. What a tool that is not installed would have said is left out.
 */
export async function readInventory(
  options: { roots?: Roots; run?: RunCommand; systemInformation?: () => Promise<Observed> } = {},
): Promise<Inventory> {
  const { roots = systemRoots, run = runCommand, systemInformation = readSystemInformation } = options
  const [general, cpu, board, { gpus, warnings }] = await Promise.all([
    systemInformation(),
    readCpu(roots, run),
    readBoard(roots),
    readGpus(roots, run),
  ])
  const own = withoutGaps(cpu, withoutGaps(board))
  const system = await readSystem(roots, run, own)
  // Ours over systeminformation's: it rewrites brands, and its flags are those of one processor.
  const observed: Observed = withoutGaps(system, withoutGaps(warnings, withoutGaps(own, withoutGaps(general))))
  gpus.forEach((gpu, n) => {
    for (const [key, value] of Object.entries(gpu.observed)) observed[`gpu.${n}.${key}`] = value
    if (gpu.address !== '') observed[`gpu.${n}.address`] = gpu.address
  })
  const { facts, attributes } = partFacts(observed)
  const cards = gpus.map(
    ({ observed: card }, n): Device => ({
      id: `gpu${n}`,
      kind: 'gpu',
      title: `${card.model ?? `${card.vendor} ${card['pci.device'] ?? 'GPU'}`}${card.usable === 'no' ? ' (not usable)' : ''}`,
    }),
  )
  const title = facts['cpu.brand'] ?? `${facts['cpu.vendor'] ?? 'unknown'} ${process.arch} processor`
  return { facts, attributes, devices: [{ id: 'cpu', kind: 'cpu', title }, ...cards] }
}

/** The second with what the first knows put over it. */
function withoutGaps(over: Observed, under: Observed = {}): Observed {
  const merged = { ...under }
  for (const [key, value] of Object.entries(over)) if (value !== undefined && value !== '') merged[key] = value
  return merged
}
