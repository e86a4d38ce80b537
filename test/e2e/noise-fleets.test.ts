import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { CauseFinding } from '../../coordinator/report/format.ts'
import { createStream } from '../../shared/random/stream.ts'
import { bitfleet, cleanUp, folder } from './bitfleet.ts'
import { type CaseRun, expectInNone, expectInWords, withMachines } from './cases.ts'

// Fleets of real processes, made up as the simulated ones of docs/controls.md: twelve agents of this machine whose
// environment has variables drawn at random, which are recorded and do nothing, and a value that nothing records.

const program = resolve(import.meta.dirname, '../fixtures/hidden-outcome.mjs')
const machineCount = 12
const fleets = 10
/** Numeric libraries could read these; none does. Each is a fact and a family of its own. */
const variables = ['GOMP_ONE', 'KMP_TWO', 'OMP_THREE', 'MALLOC_FOUR', 'LP_FIVE', 'NPY_SIX']
const update = 'GALLIUM_UPDATE'

afterAll(cleanUp)

const planOf = (fleet: number) => `name: fleet ${fleet}
seed: ${fleet}
workloads:
  - program: { name: hidden }
factors:
  backend: [hidden]
`

/** Ten coins for each machine, and at last the value of a variable that half of the machines have. */
async function makeMachines() {
  const stream = createStream('8', 'e2e/noise-fleets')
  const programs = { BITFLEET_PROGRAMS: join(folder(), 'programs.json') }
  const { code, stderr } = await bitfleet(['programs', 'add', 'hidden', '--', process.execPath, program], {
    env: programs,
  })
  expect(code, stderr).toBe(0)
  const updated = new Set(stream.permutation(machineCount).slice(0, machineCount / 2))
  const machines = Array.from({ length: machineCount }, (_, i) => {
    const name = `m${String(i).padStart(2, '0')}`
    const outcomes = [...Array.from({ length: fleets }, () => stream.below(2)), updated.has(i) ? 1 : 0]
    const home = join(folder(), name)
    mkdirSync(home)
    writeFileSync(join(home, 'outcomes'), outcomes.join('\n'))
    const noise = Object.fromEntries(variables.map((variable) => [variable, String(stream.below(3))]))
    return { name, outcomes, env: { ...programs, ...noise, HOME: home, [update]: updated.has(i) ? 'new' : 'old' } }
  })
  return machines
}

const headlines = (causes: readonly CauseFinding[]) =>
  causes.filter(({ headlined }) => headlined).map(({ facts }) => facts.flat())

describe('fleets of twelve agents', () => {
  it('have no cause named where none is recorded, in ten fleets, and have it named where it is', async () => {
    const machines = await makeMachines()
    const runs = await withMachines(
      Object.fromEntries(machines.map(({ name, env }) => [name, { env }])),
      async (run) => {
        const all: CaseRun[] = []
        for (let fleet = 0; fleet <= fleets; fleet++) all.push(await run(planOf(fleet)))
        return all
      },
    )
    for (const [fleet, { report }] of runs.entries()) {
      const outcomes = machines.map(({ outcomes }) => outcomes[fleet] as number)
      expect(report.findings.counts.machines).toBe(machineCount)
      // The letters of the machines are the coins, in the order of their names.
      const letters = outcomes.map((outcome) => (outcome === outcomes[0] ? 'A' : 'B'))
      expect(report.findings.machines.rows.map((row) => row.letters)).toEqual([letters])
      for (const variable of variables) expect(report.findings.sentence).not.toContain(variable)
    }
    const noise = runs.slice(0, fleets)
    expect(noise.map(({ report }) => headlines(report.findings.causes))).toEqual(noise.map(() => []))
    for (const run of noise) expectInNone(run, 'differs by', 'differ by', '1 differs: program by')
    const updated = runs[fleets] as CaseRun
    expect(headlines(updated.report.findings.causes)).toEqual([[`env.${update}`]])
    expectInWords(updated, `env.${update}`)
  }, 600_000)
})
