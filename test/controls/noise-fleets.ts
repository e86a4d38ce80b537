import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { fleetRows, noiseTable, reachTable, updateTable, workloadsRows, workloadsSection } from './fleet-tables.ts'
import { type FleetTally, tallyFleets, tallyWorkloads } from './measure.ts'
import { writeSection } from './write-section.ts'

// `npm run controls:fleets`: reports of noise fleets and of true updates, and the tables of docs/controls.md. With 2,000
// seeds it computes for three hours of one processor; with `-- --seeds 0` it only writes what machines can show at all.
// `-- --only one-workload` or `-- --only many-workloads` writes the tables of such fleets alone.

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    docs: { type: 'string', default: 'docs' },
    only: { type: 'string' },
    parts: { type: 'string', default: String(Math.max(1, availableParallelism())) },
    part: { type: 'string' },
  },
})
const seeds = Number(values.seeds)
/** Processes that share the rows. */
const parts = Number(values.parts)

/** One row of a table, and how it is measured. */
interface Row {
  readonly name: string
  measure(): Promise<FleetTally>
}

interface Group {
  readonly rows: readonly Row[]
  /** Sections of docs/controls.md. */
  sections(tallies: readonly FleetTally[]): Record<string, string>
}

const groups: Record<string, Group> = {
  'one-workload': {
    rows: fleetRows.map(({ kind, size }) => ({
      name: `${kind.name}, ${size} machines`,
      measure: () => tallyFleets(kind, size, seeds),
    })),
    sections: (tallies) => ({ 'updated-fleets': updateTable(tallies), 'noise-fleets': noiseTable(tallies) }),
  },
  'many-workloads': {
    rows: workloadsRows.map(({ kind, size }) => ({
      name: `${kind.name}, ${kind.workloads} workloads, ${kind.facts} facts, ${size} machines`,
      // Many facts take up to ten times as long to count.
      measure: () => tallyWorkloads(kind, size, Math.ceil(kind.facts > 10 ? seeds / 4 : seeds)),
    })),
    sections: (tallies) => ({ 'many-workloads': workloadsSection(tallies) }),
  },
}

/** Every `parts`-th row, printed as JSON for the process that asked. */
async function measurePart({ rows }: Group, part: number): Promise<void> {
  for (const [i, { measure }] of rows.entries()) {
    if (i % parts === part) process.stdout.write(`${JSON.stringify([i, await measure()])}\n`)
  }
}

/** All rows, each processor its share. */
async function measureAll(name: string, { rows }: Group): Promise<FleetTally[]> {
  const tallies: FleetTally[] = []
  await Promise.all(
    Array.from({ length: parts }, async (_, part) => {
      const options = ['--seeds', values.seeds, '--only', name, '--parts', values.parts, '--part', String(part)]
      const child = spawn(process.execPath, [process.argv[1] as string, ...options], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const closed = once(child, 'close')
      for await (const line of createInterface({ input: child.stdout })) {
        const [i, tally] = JSON.parse(line) as [number, FleetTally]
        tallies[i] = tally
        process.stderr.write(`${rows[i]?.name}: ${tally.headlined} of ${tally.fleets} headlined\n`)
      }
      const [code] = (await closed) as [number | null]
      if (code !== 0) throw new Error(`part ${part} ended with ${code}`)
    }),
  )
  return tallies
}

function write(page: string, tables: Readonly<Record<string, string>>): void {
  for (const [name, table] of Object.entries(tables)) writeSection(join(values.docs, page), name, table)
}

const wanted = Object.entries(groups).filter(([name]) => values.only === undefined || values.only === name)
if (wanted.length === 0) throw new Error(`--only: use ${Object.keys(groups).join(' or ')}`)
if (values.part !== undefined) {
  for (const [, group] of wanted) await measurePart(group, Number(values.part))
} else {
  const reach = { 'what-machines-can-show': reachTable() }
  write('read-a-report.md', reach)
  write('controls.md', reach)
  if (seeds > 0) for (const [name, group] of wanted) write('controls.md', group.sections(await measureAll(name, group)))
}
