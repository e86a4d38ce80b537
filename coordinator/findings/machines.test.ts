import { describe, expect, it } from 'vitest'
import { createSyntheticRun, f32, type SyntheticCell, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'

const executions = (value: number, count: number): SyntheticCell['executions'] =>
  Array.from({ length: count }, () => ({
    checkpoints: [{ step: 0, name: 'y', tensor: f32([value], []), output: true }],
  }))

interface Planned {
  readonly names: readonly string[]
  readonly workloads: readonly string[]
  /** The value that a machine computes; null if it lacks the backend. */
  readonly value: (machine: string, workload: string) => number | null
  readonly repetitions?: number
  readonly effective?: (machine: string) => Record<string, string>
}

async function reportOf({ names, workloads, value, repetitions = 5, effective = () => ({}) }: Planned) {
  // Keys go against the order of names, since a report goes by names.
  const agents = names.map((name, i) => syntheticAgent(`k${String(names.length - i).padStart(4, '0')}`, {}, name))
  const run = createSyntheticRun(agents)
  for (const workload of workloads) {
    for (const { id, name } of agents) {
      const result = value(name, workload)
      const lacks = { outcome: { status: 'unsupported' as const, reason: 'this agent has no backend blis' } }
      run.add({
        ...{ agent: id, workload, backend: result === null ? 'blis' : 'js', effective: effective(name) },
        executions:
          result === null ? Array.from({ length: repetitions }, () => lacks) : executions(result, repetitions),
      })
    }
  }
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
}

const twelve = Array.from({ length: 12 }, (_, i) => `w${i}`)

describe('the machines line', () => {
  it('names the odd one of three, in how many workloads, and who agrees in all', async () => {
    const { findings } = await reportOf({
      names: ['plain', 'nehalem', 'onecore'],
      workloads: twelve,
      value: (machine, workload) => (machine === 'nehalem' && Number(workload.slice(1)) % 2 ? 2 : 1),
    })
    expect(findings.machines.text).toBe(
      'nehalem differs from the other 2 machines in 6 of 12 workloads; onecore and plain agree in all.',
    )
    expect(findings.machines.machines.map(({ name, odd }) => [name, odd])).toEqual([
      ['nehalem', 6],
      ['onecore', 0],
      ['plain', 0],
    ])
    expect([findings.verdict, findings.exitCode, findings.machines.strength]).toEqual(['divergent', 1, 'claimed'])
  })

  it('shows what too few executions have seen, and marks it; the exit code stays 1', async () => {
    const { findings } = await reportOf({
      names: ['a', 'b', 'c'],
      workloads: twelve,
      repetitions: 2,
      value: (machine) => (machine === 'c' ? 2 : 1),
    })
    expect(findings.machines.strength).toBe('seen')
    expect(findings.machines.needs).toBe(5)
    expect(findings.machines.text).toContain(
      'This was seen, with too few executions to be claimed: the cells ran 2 times, a claim needs 5.',
    )
    expect(findings.exitCode).toBe(1)
  })

  it('does not say which of two is the odd one', async () => {
    const { findings } = await reportOf({
      names: ['b', 'a'],
      workloads: ['w'],
      value: (machine) => (machine === 'a' ? 2 : 1),
    })
    expect(findings.machines.text).toContain(
      'a and b differ in 1 of 1 workload; which of the two is the odd one cannot be told',
    )
    expect(findings.machines.machines.every(({ odd }) => odd === 0)).toBe(true)
  })

  it('names nobody if no class holds more than half', async () => {
    const { findings } = await reportOf({
      names: ['a', 'b', 'c', 'd'],
      workloads: ['w'],
      value: (machine) => (machine < 'c' ? 1 : 2),
    })
    expect(findings.machines.text).toContain('no class holds more than half of them')
    expect(findings.machines.rows[0]).toMatchObject({ letters: ['A', 'A', 'B', 'B'], odd: [] })
  })

  it('says that all agree, and of how many workloads', async () => {
    const { findings } = await reportOf({ names: ['a', 'b', 'c'], workloads: ['w', 'v'], value: () => 1 })
    expect(findings.machines.text).toBe('All 3 machines agree in all 2 workloads.')
    expect(findings).toMatchObject({ verdict: 'identical', exitCode: 0 })
  })

  it('names an effective value that differs as the bits do', async () => {
    const { findings } = await reportOf({
      names: ['a', 'b', 'c'],
      workloads: ['w'],
      value: (machine) => (machine === 'c' ? 2 : 1),
      effective: (machine) => ({ coreType: machine === 'c' ? 'Haswell' : 'SkylakeX', threads: '1' }),
    })
    expect(findings.machines.text).toContain('First to look at: js.coreType is Haswell on c, SkylakeX on a and b.')
  })

  it('finds one among a thousand', async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `node${i}`)
    const { findings } = await reportOf({
      names,
      workloads: ['w'],
      value: (machine) => (machine === 'node707' ? 2 : 1),
    })
    expect(findings.machines.text).toMatch(/^node707 differs from the other 999 machines in 1 of 1 workload/)
    expect(findings.machines.machines.slice(0, 3).map(({ name }) => name)).toEqual(['node0', 'node1', 'node2'])
  }, 60_000)

  it('says which machine was not compared, and why; the run is incomplete', async () => {
    const { findings, comparisons } = await reportOf({
      names: ['p1', 'p3'],
      workloads: ['w'],
      value: (machine) => (machine === 'p3' ? null : 1),
    })
    expect(findings.machines).toMatchObject({ status: 'not compared' })
    expect(findings.machines.text).toContain('only p1 completed cells; p3 (this agent has no backend blis) did not')
    expect(comparisons[0]?.verdict).toBe('incomplete')
    expect(findings.exitCode).toBe(3)
  })
})
