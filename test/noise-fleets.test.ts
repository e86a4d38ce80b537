import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { explainMachines } from '../coordinator/explain/explain-machines.ts'
import {
  blurredUpdates,
  groupedFleet,
  independentFleet,
  noiseFleets,
  plainUpdate,
  updatedFact,
} from './controls/fleets.ts'
import { noisyWorkloads, updatedWorkloads, type WorkloadsKind } from './controls/many-workloads.ts'
import { tallyFleets, tallyWorkloads } from './controls/measure.ts'
import { reachTable } from './controls/fleet-tables.ts'
import { withSection } from './controls/write-section.ts'

// `npm run controls:fleets` measures 2,000 fleets of each kind and size; here are enough to catch a rule that is gone.

/** The chance of k or more in n where each has this probability. */
function atLeast(k: number, n: number, probability: number): number {
  let [term, sum] = [(1 - probability) ** n, 0]
  for (let i = 0; i <= n; i++) {
    if (i >= k) sum += term
    term *= ((n - i) / (i + 1)) * (probability / (1 - probability))
  }
  return sum
}

const fleets = 60
/** More headlines than this have a probability below one in a million if the true rate is 5 %. */
const mostHeadlines = Array.from({ length: fleets }, (_, k) => k).find((k) => atLeast(k + 1, fleets, 0.05) < 1e-6) ?? 0
/** So have fewer finds than this if the true rate is 80 %. */
const fewestFinds =
  fleets - (Array.from({ length: fleets }, (_, k) => k).find((k) => atLeast(k + 1, fleets, 0.2) < 1e-6) ?? 0)

describe('noise fleets', () => {
  it('are bounded so that the test can fail', () => {
    expect(mostHeadlines).toBeLessThan(fleets / 3)
    expect(fewestFinds).toBeGreaterThan(fleets / 3)
    expect(noiseFleets.length).toBe(14)
  })

  it.each(noiseFleets.map((kind) => [kind.name, kind] as const))('headline no cause: %s', async (_, kind) => {
    for (const size of [8, 12])
      expect((await tallyFleets(kind, size, fleets)).headlined).toBeLessThanOrEqual(mostHeadlines)
  })

  it('would headline one if a small chance were enough', async () => {
    // What twins are for: a group's facts have a small chance in most fleets.
    expect((await tallyFleets(groupedFleet({ groups: 2 }), 12, fleets)).unlikely).toBeGreaterThan(mostHeadlines)
    expect((await tallyFleets(groupedFleet({ groups: 3, deviating: 0.02 }), 12, fleets)).unlikely).toBeGreaterThan(
      mostHeadlines,
    )
  })

  it('have a small chance in at most 5 % where machines are independent', async () => {
    for (const size of [8, 12])
      expect((await tallyFleets(independentFleet(), size, fleets)).unlikely).toBeLessThanOrEqual(mostHeadlines)
  })
})

describe('fleets with many workloads', () => {
  const [few, many] = [noisyWorkloads.filter(({ facts }) => facts < 10), noisyWorkloads[2] as WorkloadsKind]

  it.each([...few, many].map((kind) => [kind.workloads, kind.facts, kind] as const))(
    'headline no cause: %i workloads, %i facts',
    { timeout: 300_000 },
    async (_workloads, _facts, kind) => {
      expect((await tallyWorkloads(kind, 12, fleets)).headlined).toBeLessThanOrEqual(mostHeadlines)
    },
  )

  it('show the update', async () => {
    for (const kind of updatedWorkloads) {
      const { found, headlined } = await tallyWorkloads(kind, 20, fleets)
      expect(found).toBeGreaterThanOrEqual(fewestFinds)
      expect(headlined).toBe(found)
    }
  })

  it('are the same machines in all workloads, and others for another seed', () => {
    for (const kind of [...noisyWorkloads, ...updatedWorkloads]) {
      const made = kind.make(1, 12)
      expect(made).toHaveLength(kind.workloads)
      for (const machines of made)
        expect(machines.map(({ facts }) => facts)).toEqual(made[0]?.map(({ facts }) => facts))
      expect(kind.make(1, 12)).toEqual(made)
      expect(kind.make(2, 12)).not.toEqual(made)
    }
  })
})

describe('updated fleets', () => {
  it.each([8, 12, 20, 50])('show the update: %i machines', async (size) => {
    const { found, headlined } = await tallyFleets(plainUpdate, size, fleets)
    expect(found).toBeGreaterThanOrEqual(fewestFinds)
    expect(headlined).toBe(found)
  })

  it('headline nothing else where other facts deviate', async () => {
    for (const kind of blurredUpdates) {
      const { found, headlined } = await tallyFleets(kind, 20, 20)
      expect(headlined - found).toBeLessThanOrEqual(1)
    }
  })

  it('are the same for a seed, and have the cause they say', () => {
    const machines = plainUpdate.make(1, 20)
    expect(plainUpdate.make(1, 20)).toEqual(machines)
    expect(plainUpdate.make(2, 20)).not.toEqual(machines)
    expect(machines.every(({ outcome, facts }) => facts[updatedFact] === outcome)).toBe(true)
    expect(explainMachines([{ row: 'r', machines }])[0]?.explanations[0]?.facts).toEqual([updatedFact])
  })
})

describe('docs/controls.md', () => {
  const readPage = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8')
  const page = readPage('controls.md')

  it('has the table of what a number of machines can show, as docs/read-a-report.md', () => {
    for (const text of [page, readPage('read-a-report.md')]) {
      expect(withSection(text, 'what-machines-can-show', reachTable())).toBe(text)
    }
    expect(page).toMatch(/\| 6 +\| \(17 %\) +\| \(6\.7 %\) +\| \(10 %\)/)
    expect(page).toMatch(/\| 20 +\| 5 % /)
  })

  it('has measured tables that keep the bounds', () => {
    const rows = (name: string) =>
      (page.split(`<!-- begin ${name} -->`)[1]?.split(`<!-- end ${name} -->`)[0] ?? '')
        .split('\n')
        .map((line) => line.split('|').map((cell) => cell.trim()))
        .filter((cells) => /^\d+$/.test(cells[2] ?? ''))
    const noise = rows('noise-fleets')
    expect(noise).toHaveLength(noiseFleets.length * 4)
    for (const row of noise) expect(Number.parseFloat(row[4] ?? 'NaN'), row.join()).toBeLessThanOrEqual(5)
    const plain = rows('updated-fleets').filter(([, name]) => name === plainUpdate.name)
    expect(plain).toHaveLength(4)
    const [noisy, updated] = [rows('many-workloads').slice(0, 12), rows('many-workloads').slice(12)]
    expect([noisy.length, updated.length]).toEqual([2 * noisyWorkloads.length, 2 * updatedWorkloads.length])
    for (const row of noisy) expect(Number.parseFloat(row[6] ?? 'NaN'), row.join()).toBeLessThanOrEqual(5)
    for (const row of updated) expect(Number.parseFloat(row[6] ?? 'NaN'), row.join()).toBeGreaterThanOrEqual(80)
    for (const row of plain) expect(Number.parseFloat(row[4] ?? 'NaN'), row.join()).toBeGreaterThanOrEqual(80)
  })
})
