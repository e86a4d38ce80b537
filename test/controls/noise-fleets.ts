import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { noiseTable, reachTable, updateTable, withTable } from './fleet-tables.ts'

// `npm run controls:fleets`: measures noise fleets and true updates, and writes the tables into docs/controls.md. With
// 2,000 seeds it computes for about half an hour.

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '2000' }, out: { type: 'string', default: 'docs/controls.md' } },
})
const seeds = Number(values.seeds)
const log = (line: string) => process.stderr.write(`${line}\n`)
const tables = {
  'what-machines-can-show': reachTable(),
  'updated-fleets': updateTable(seeds, log),
  'noise-fleets': noiseTable(seeds, log),
}
const text = Object.entries(tables).reduce(
  (page, [name, content]) => withTable(page, name, content),
  readFileSync(values.out, 'utf8'),
)
writeFileSync(values.out, text)
