import { executionsNeeded } from '../../shared/executions-needed.ts'
import { type Coin, coins } from './coins.ts'
import { falseMachineClaims, type MachineFleet } from './machine-coins.ts'
import { markdownTable, writeSection } from './write-section.ts'

// `npm run controls:machines` writes the table of machines that are coins into docs/controls.md; it takes a few minutes.

const runs = 2000

const fleets: readonly MachineFleet[] = [
  ...[2, 3, 5, 8].map((agents) => ({ agents, cards: 0 })),
  ...[4, 8].map((cards) => ({ agents: 1, cards })),
  { agents: 2, cards: 4 },
]

function fleetText({ agents, cards }: MachineFleet): string {
  if (cards === 0) return `${agents} processors`
  return agents === 1 ? `${cards} cards of one agent` : `${agents} agents with ${cards} cards each`
}

function machineCoinTable(): string {
  const names = Object.keys(coins) as Coin[]
  const rows = fleets.flatMap((fleet) =>
    [1, 10].map((workloads) => {
      const shares = names.map((coin) => {
        const claimed = falseMachineClaims({ ...fleet, workloads, coin }, runs)
        return `${((100 * claimed) / runs).toFixed(2)} %`
      })
      return [fleetText(fleet), workloads, executionsNeeded(workloads), ...shares]
    }),
  )
  return `## Machines that are coins

Every execution is a coin, on all machines alike. The table gives the share of ${runs} runs that claim that machines differ: in the machines
line or in one of its rows. At most 5 % may. Each processor and each card is a machine, k counts the executions of each cell. If some machines
disagree with themselves, the others are chosen after the fact; so a claim then needs more executions, or there is none.

${markdownTable(['fleet', 'workloads', 'k', ...names], rows)}`
}

writeSection('docs/controls.md', 'machine-coins', machineCoinTable())
