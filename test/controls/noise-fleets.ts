import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { tallyFleets } from './measure.ts'
import { type Measure, noiseTable, reachTable, updateTable, withTable } from './fleet-tables.ts'

// `npm run controls:fleets`: measures noise fleets and true updates, and writes the tables into docs/controls.md. With
// 2,000 seeds it computes for about half an hour; with `-- --seeds 0` it only writes what machines can show at all.

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '2000' }, docs: { type: 'string', default: 'docs' } },
})
const seeds = Number(values.seeds)
const measure: Measure = (kind, size) => {
  const tally = tallyFleets(kind, size, seeds)
  process.stderr.write(`${kind.name}, ${size} machines: ${tally.headlined} of ${tally.fleets} headlined\n`)
  return tally
}

function write(page: string, tables: Readonly<Record<string, string>>): void {
  const path = join(values.docs, page)
  const text = Object.entries(tables).reduce(
    (before, [name, content]) => withTable(before, name, content),
    readFileSync(path, 'utf8'),
  )
  writeFileSync(path, text)
}

const reach = { 'what-machines-can-show': reachTable() }
write('read-a-report.md', reach)
write('controls.md', reach)
if (seeds > 0) {
  write('controls.md', { 'updated-fleets': updateTable(measure), 'noise-fleets': noiseTable(measure) })
}
