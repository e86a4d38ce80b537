import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { benchCompare } from './compare.ts'
import type { Bench, Row } from './row.ts'

// `npm run bench -- --mib 64`: every figure beside its peer's, as a table and in test/bench/results.json.

const benches: Bench[] = [benchCompare]

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    repetitions: { type: 'string', default: '5' },
    python: { type: 'string', default: 'python3' },
    out: { type: 'string', default: 'test/bench/results.json' },
  },
})

const loadBefore = loadavg()[0] as number
const rows: Row[] = []
for (const bench of benches) {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  rows.push(
    ...(await bench({ mib: Number(values.mib), repetitions: Number(values.repetitions), python: values.python, log })),
  )
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  node: process.version,
  platform: `${process.platform}-${process.arch}`,
  /** Above 0, something else ran beside; above the number of cores, the figures mean little. */
  loadBefore,
}
const out = resolve(values.out)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify({ machine, rows }, null, 2)}\n`)

for (const { id, figure, unit, peer, ratio, goal, met } of rows) {
  const verdict = met === null ? 'not measured' : met ? 'met' : 'NOT MET'
  const times = ratio === null ? '-' : ratio
  process.stdout.write(`${id.padEnd(36)} ${figure} ${unit}  ${times} × ${peer}  (goal ${goal}: ${verdict})\n`)
}
process.stdout.write(`${machine.cpu}, ${machine.cores} cores, ${machine.node}, load before ${loadBefore}; ${out}\n`)
