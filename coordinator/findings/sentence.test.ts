import { describe, expect, it } from 'vitest'
import { type CellOfReport, repeated, reportOfCells, runOfCells } from '../../test/report-of-cells.ts'
import { compareRun } from '../compare/compare-run.ts'
import type { Expectation } from '../records.ts'
import { assembleReport } from '../report/assemble.ts'

const said = async (...of: Parameters<typeof reportOfCells>) => {
  const { sentence, findings } = await reportOfCells(...of)
  return [sentence, findings.exitCode]
}
const expecting = (expect: Expectation) => ({ rowRules: [{ workload: 'w', params: {}, expect }] })
const on = (agents: string, cell: CellOfReport): CellOfReport[] => Array.from(agents, (agent) => ({ ...cell, agent }))

describe('how far the sentence reaches', () => {
  it('is all machines only if every workload ran on all of them', async () => {
    const gives = [1, 1, 1]
    const allow = { absent: 'allow' } as const
    expect(await said([...on('ab', { workload: 'w1', gives }), ...on('ab', { workload: 'w2', gives })])).toEqual([
      'All 2 workloads are identical over 1 condition on 2 machines',
      0,
    ])
    expect(await said([...on('ab', { workload: 'w1', gives }), ...on('cd', { workload: 'w2', gives })], allow)).toEqual(
      ['All 2 workloads are identical over 1 condition on the machines that completed them (4 machines in all)', 0],
    )
    const two = (agent: string, workload: string) => [1, 2].map((o) => ({ agent, workload, knobs: { o }, gives }))
    expect(await said([...two('a', 'w1'), ...two('b', 'w2')])).toEqual([
      'All 2 workloads are identical over 2 conditions on the machines that completed them (2 machines in all)',
      0,
    ])
    const lone = { agent: 'b', workload: 'w2', knobs: { o: 3 }, gives }
    expect(await said([...two('a', 'w1'), ...two('b', 'w2'), lone])).toEqual([
      'All 2 workloads are identical under all their conditions on the machines that completed them (3 conditions and 2 machines in all)',
      0,
    ])
  })

  it('is not "none", if what was compared of some is equal', async () => {
    const cells = Array.from('abc', (agent): CellOfReport[] => [
      { agent, workload: 'w1', gives: repeated(agent === 'c' ? 2 : 1, 3) },
      { agent, workload: 'w2', gives: repeated(agent === 'c' ? 'crashed' : 1, 3) },
    ]).flat()
    expect(await said(cells)).toEqual([
      'What was compared of 1 of 2 workloads is equal over 1 condition on the machines that completed it (3 machines in all); 1 differs: w1; 1 is incomplete: w2',
      1,
    ])
  })
})

describe('settings in the sentence', () => {
  it('are named only where the bits followed them', async () => {
    const cells = [
      ...on('ab', { seed: '42', gives: repeated(1, 6) }),
      ...on('ab', { seed: '42', knobs: { o: 1 }, gives: repeated(2, 6) }),
      ...['a', 'b'].flatMap((agent, i): CellOfReport[] => [
        { agent, seed: '43', gives: repeated(5 + i, 6) },
        { agent, seed: '43', knobs: { o: 1 }, gives: repeated(5 + i, 6) },
      ]),
    ]
    const { sentence, findings } = await reportOfCells(cells)
    expect(sentence).toContain('; 2 differ: w by js.o (seed 42), w (seed 43)')
    expect(findings.settings).toMatchObject([{ rows: [0, 1], followedIn: { claimed: [0], seen: [] }, followed: 2 }])
  })

  it('are claimed only where they ran often enough, and count the executions of those trials', async () => {
    const pair = (seed: string, executions: number, values: readonly [number, number]): CellOfReport[] => [
      { seed, gives: repeated(values[0], executions) },
      { seed, knobs: { o: 1 }, gives: repeated(values[1], executions) },
    ]
    const cells = [...pair('43', 1, [3, 4]), ...pair('42', 4, [1, 2])]
    const { sentence, findings } = await reportOfCells(cells)
    expect(sentence).toContain('; 2 differ: w (seen with js.o, seed 43), w by js.o (seed 42)')
    const [setting] = findings.settings
    expect(setting).toMatchObject({ strength: 'claimed', executions: 4, followedIn: { claimed: [1], seen: [0] } })
    // The example is one of the trials that are claimed.
    expect(setting?.text).toContain('for example in the row of seed=42')
    const both = await reportOfCells([...pair('42', 4, [1, 2]), ...pair('43', 4, [3, 4])])
    expect(both.sentence).toContain('; 2 differ: w by js.o (2 seeds)')
  })

  it('have no strength if they were not tested', async () => {
    const { findings } = await reportOfCells([{ gives: [1, 2] }, { knobs: { o: 1 }, gives: [1, 1] }])
    expect(findings.settings).toMatchObject([{ outcome: 'not tested', followedIn: { claimed: [], seen: [] } }])
    expect(findings.settings[0]).not.toHaveProperty('strength')
  })
})

describe('names in the sentence', () => {
  it('count seeds, not rows of one name', async () => {
    const x = (digit: string) => ({ x: { file: 'd.npy', digest: `sha256:${digit.repeat(64)}` } })
    const files = ['1', '2'].flatMap((digit, i) => [
      { agent: 'a', params: x(digit), gives: [i] },
      { agent: 'b', params: x(digit), gives: [i + 5] },
    ])
    expect((await reportOfCells(files)).sentence).toMatch(/2 differ: w x=d\.npy \(2 rows\)$/)
    const seeds = ['1', '2'].flatMap((seed, i) => [
      { agent: 'a', seed, gives: [i] },
      { agent: 'b', seed, gives: [i + 5] },
    ])
    expect((await reportOfCells(seeds)).sentence).toMatch(/2 differ: w \(2 seeds\)$/)
  })

  it('tell versions of a workload apart', async () => {
    const run = runOfCells([0, 1, 2, 3].map((i) => ({ knobs: { o: i }, gives: [i] })))
    const data = run.data()
    const cells = data.cells.map((cell, i) => (i < 2 ? cell : { ...cell, workloadVersion: 2 }))
    const comparisons = await compareRun({ ...data, cells }, run.artifacts)
    const { sentence } = assembleReport({ ...data, cells }, comparisons, 'bitfleet 0')
    expect(sentence).toMatch(/2 differ: w@1 \(seen with js\.o\), w@2 \(seen with js\.o\)$/)
  })
})

describe('rows that differ from run to run', () => {
  const lucky = [...on('ab', { gives: [1, 2, 1] }), ...on('c', { gives: [1, 1, 1] }), ...on('d', { gives: [2, 2, 2] })]

  it('are as expected with lucky cells, too', async () => {
    expect(await said(lucky, expecting('nondeterministic'))).toEqual([
      '1 workload is as expected over 1 condition on 4 machines; 1 differs from run to run as expected: w',
      0,
    ])
    expect((await said(lucky))[1]).toBe(1)
  })

  it('can be all that a plan has', async () => {
    const cells = on('ab', { gives: [1, 2, 1] })
    expect(await said(cells, expecting('nondeterministic'))).toEqual([
      '1 workload is as expected over 1 condition on 2 machines; 1 differs from run to run as expected: w',
      0,
    ])
    const others = on('ab', { knobs: { o: 1 }, gives: [3, 3, 3] })
    expect((await said([...cells, ...others], expecting('nondeterministic')))[1]).toBe(0)
  })

  it('do not hide a difference between cells that agree with themselves', async () => {
    const others = ['a', 'b'].map((agent, i) => ({ agent, knobs: { o: 1 }, gives: repeated(i, 3) }))
    const [sentence, code] = await said([...lucky, ...others], expecting('nondeterministic'))
    expect(sentence).toContain('; 1 differs: w; 1 differs from run to run as expected: w')
    expect(code).toBe(1)
  })

  it('speak for cells of the same condition that differ elsewhere', async () => {
    const cells = ['a', 'b'].flatMap((agent, i): CellOfReport[] => [
      { agent, params: { n: 8 }, gives: [0, 1, 0] },
      { agent, params: { n: 9 }, gives: repeated(i, 3) },
    ])
    expect(await said(cells)).toEqual([
      'None of 2 workloads is identical over 1 condition on 2 machines; 1 differs from run to run: w n=8; 1 differs only under conditions that differ from run to run: w n=9',
      1,
    ])
  })
})

describe('the reason of exit code 3', () => {
  const equal = on('ab', { gives: [1, 1, 1] })

  it('may be what the plan expects', async () => {
    expect(await said(equal, expecting('nondeterministic'))).toEqual([
      '1 workload is identical over 1 condition on 2 machines; 1 is not as expected: w',
      3,
    ])
  })

  it('may be that the run did not end well', async () => {
    const head = '1 workload is identical over 1 condition on 2 machines'
    expect(await said(equal, { state: 'cancelled' })).toEqual([`${head}; the run was cancelled`, 3])
    expect(await said(equal, { state: 'failed' })).toEqual([`${head}; the run failed`, 3])
    expect(await said(equal, { state: 'running' })).toEqual([`${head}; the run is not over`, 3])
  })
})
