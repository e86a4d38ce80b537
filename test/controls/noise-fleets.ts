import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { fleetRows, noiseTable, reachTable, updateTable } from './fleet-tables.ts'
import { type FleetTally, tallyFleets } from './measure.ts'
import { writeSection } from './write-section.ts'

// `npm run controls:fleets`: reports of noise fleets and of true updates, and the tables of docs/controls.md. With 2,000
// seeds it computes for an hour and a half of one processor; with `-- --seeds 0` it only writes what machines can show at all.

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    docs: { type: 'string', default: 'docs' },
    part: { type: 'string' },
  },
})
const seeds = Number(values.seeds)
const parts = Math.max(1, availableParallelism())

/** Every `parts`-th row, printed as JSON for the process that asked. */
async function measurePart(part: number): Promise<void> {
  for (const [i, { kind, size }] of fleetRows.entries()) {
    if (i % parts !== part) continue
    process.stdout.write(`${JSON.stringify([i, await tallyFleets(kind, size, seeds)])}\n`)
  }
}

/** All rows, each processor its share. */
async function measureAll(): Promise<FleetTally[]> {
  const tallies: FleetTally[] = []
  await Promise.all(
    Array.from({ length: parts }, async (_, part) => {
      const argv = [process.argv[1] as string, '--seeds', values.seeds, '--part', String(part)]
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
      const closed = once(child, 'close')
      for await (const line of createInterface({ input: child.stdout })) {
        const [i, tally] = JSON.parse(line) as [number, FleetTally]
        tallies[i] = tally
        const row = fleetRows[i]
        process.stderr.write(
          `${row?.kind.name}, ${row?.size} machines: ${tally.headlined} of ${tally.fleets} headlined\n`,
        )
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

if (values.part === undefined) {
  const reach = { 'what-machines-can-show': reachTable() }
  write('read-a-report.md', reach)
  write('controls.md', reach)
  if (seeds > 0) {
    const tallies = await measureAll()
    write('controls.md', { 'updated-fleets': updateTable(tallies), 'noise-fleets': noiseTable(tallies) })
  }
} else await measurePart(Number(values.part))
