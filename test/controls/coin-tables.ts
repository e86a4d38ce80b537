import { executionsNeeded } from '../../shared/executions-needed.ts'
import { type Clock, claimedInPhase, clocks, namedDummies, type Schedule, schedules } from './clock.ts'
import { type Coin, type CoinDesign, coins, falseClaims, findReal, type Structure, structures } from './coins.ts'
import { markdownTable, writeSection } from './write-section.ts'

// Simulations of DESIGN §6.15. `npm run controls:coins` writes them into docs/controls.md; it takes a quarter of an hour. With names
// of sections behind it, it writes only those.

const file = 'docs/controls.md'
const runs = 2000

function percent(count: number, of: number): string {
  return `${((100 * count) / of).toFixed(2)} %`
}

function coinTable(): string {
  const shapes: Omit<CoinDesign, 'coin'>[] = [
    ...[2, 3, 4, 8].map((levels) => ({ structure: 'devices' as const, pairs: 1, levels, trials: 1 })),
    ...[2, 4, 12].map((trials) => ({ structure: 'devices' as const, pairs: 1, levels: 2, trials })),
    { structure: 'devices', pairs: 1, levels: 8, trials: 4 },
    { structure: 'cards', pairs: 1, levels: 2, trials: 4 },
    { structure: 'cards', pairs: 1, levels: 3, trials: 8 },
    { structure: 'seeds', pairs: 1, levels: 2, trials: 12 },
    { structure: 'half deterministic', pairs: 1, levels: 3, trials: 12 },
    { structure: 'half silenced', pairs: 1, levels: 3, trials: 12 },
    { structure: 'two dummies', pairs: 2, levels: 3, trials: 4 },
    { structure: 'two dummies', pairs: 10, levels: 3, trials: 4 },
    { structure: 'devices', pairs: 10, levels: 2, trials: 1 },
    { structure: 'devices', pairs: 10, levels: 3, trials: 2 },
    { structure: 'devices', pairs: 100, levels: 2, trials: 1 },
    { structure: 'devices', pairs: 1000, levels: 2, trials: 1 },
  ]
  const names = Object.keys(coins) as Coin[]
  const rows = shapes.map((shape) => {
    const { structure, pairs, levels, trials } = shape
    const shares = names.map((coin) => percent(falseClaims({ ...shape, coin }, runs), runs))
    return [pairs, executionsNeeded(pairs), levels, trials, structure, ...shares]
  })
  const legend = (Object.keys(structures) as Structure[]).map((name) => `- ${name}: ${structures[name]}`).join('\n')
  return `## Coins

Every cell is a coin, and the settings do nothing. The table gives the share of ${runs} runs that claim some setting. At most 5 % may.
T counts the pairs of setting and workload, k the executions of each cell, m the levels of a setting, n its trials in a workload.

${legend}

${markdownTable(['T', 'k', 'm', 'n', 'trials', ...names], rows)}`
}

function powerTable(): string {
  const designs = [1, 10, 100, 1000].flatMap((pairs) => {
    const base = { pairs, randomLevels: 0, stayingTrials: 0 }
    return [
      { ...base, levels: 2, trials: 1 },
      { ...base, levels: 8, trials: 3 },
      { ...base, levels: 8, trials: 1, randomLevels: 1 },
      { ...base, levels: 8, trials: 3, randomLevels: 1 },
      { ...base, levels: 2, trials: 4, stayingTrials: 2 },
      { ...base, levels: 2, trials: 4, stayingTrials: 3 },
    ]
  })
  const rows = designs.map((design) => {
    const { claimed, needs } = findReal(design)
    const { pairs, levels, trials, randomLevels, stayingTrials } = design
    return [pairs, executionsNeeded(pairs), levels, randomLevels, trials, stayingTrials, claimed ? 'yes' : 'no', needs]
  })
  const head = ['T', 'k', 'm', 'random levels', 'n', 'trials that stay', 'claimed with k', 'executions needed']
  return `## Settings that matter

A setting decides the bits: its levels give two results in turn. Is it claimed with k executions, and if not, how many does it need?
Some levels may be random in every execution, and in some trials the setting may do nothing.

${markdownTable(head, rows)}`
}

function clockTable(): string {
  const starts = 200
  const designs = (Object.keys(clocks) as Clock[]).flatMap((clock) =>
    [0.1, 0.5, 2].flatMap((execution) => [2, 4].map((repetitions) => ({ clock, execution, repetitions }))),
  )
  const names = Object.keys(schedules) as Schedule[]
  const rows = designs.map(({ clock, execution, repetitions }) => {
    const shares = names.map((schedule) => {
      const { claimed, seen } = namedDummies({ clock, schedule, execution, repetitions }, starts)
      return `${percent(claimed, starts)}, ${percent(seen, starts)}`
    })
    return [clock, execution, repetitions, ...shares]
  })
  return `## A program that follows the time

The result of a program follows the time of day; its setting \`dummy\` does nothing. A plan has 32 cells: two dummies, eight seeds, and a
second mode that is a fair coin. Of ${starts} random starts, in how many is \`dummy\` claimed, and in how many more is it seen? A claim needs 4
executions. Bitfleet runs the cells of each round in a new random order; the other two orders show what happens without that.

${markdownTable(['the result', 'seconds an execution', 'k', ...names.map((name) => `${name}: claimed, seen`)], rows)}`
}

function phaseTable(): string {
  const tosses = 5000
  const rows = [2, 4, 6, 8, 16, 32].map((cells) => {
    const bound = 2 * (cells / (4 * (cells - 1))) ** 3
    return [cells, percent(claimedInPhase(cells, 3, tosses), tosses), percent(bound, 1)]
  })
  return `## Few cells and a clock in phase with the rounds

The rule takes executions to be independent. A random order in each round makes them nearly so, but two cells never share a place in a
round. Suppose the result is one thing in the first half of each round and another in the second, and T = 1, k = 3. If an agent has N
cells, a dummy with two levels is claimed with probability 2 · (N / (4(N − 1)))³. That is above 5 % for fewer than 8 cells.

${markdownTable(['N', `claimed in ${tosses} runs`, 'bound'], rows)}`
}

const sections = { power: powerTable, clock: clockTable, phase: phaseTable, coins: coinTable }
for (const [name, table] of Object.entries(sections)) {
  if (process.argv.length === 2 || process.argv.includes(name)) writeSection(file, name, table())
}
