import { describe, expect, it } from 'vitest'
import {
  drawCells,
  falseMachineClaims,
  type MachineCoinDesign,
  tossMachines,
} from '../../test/controls/machine-coins.ts'
import { five, type PlannedCell, reportOfMachines } from '../../test/report-of-machines.ts'
import { renderCsv } from '../report/csv.ts'
import { renderHtml } from '../report/html/index.tsx'
import type { Report } from '../report/format.ts'

// Machines that completed different things: who was compared with whom, and what may be said of it.

const on = (machine: string, value: number | null, more: Partial<PlannedCell> = {}): PlannedCell => ({
  on: machine,
  gave: value === null ? null : five(value),
  ...more,
})
const tossing = [1, 2, 1, 2, 1]
const allowed = { absent: 'allow' } as const

async function machinesOf(cells: readonly PlannedCell[], run = {}) {
  return (await reportOfMachines(cells, run)).findings.machines
}

/** The column `odd_machine` by machine. */
function oddByMachine(report: Report): Record<string, string> {
  const [head, ...rows] = renderCsv(report)
    .trim()
    .split('\r\n')
    .map((line) =>
      [...line.matchAll(/(?:"((?:[^"]|"")*)"|([^",]*))(?:,|$)/g)].map((match) => match[1] ?? match[2] ?? ''),
    )
  const at = (row: readonly string[], name: string) => row[head?.indexOf(name) ?? -1] ?? ''
  return Object.fromEntries(
    rows.map((row) => [`${at(row, 'agent_name')} ${at(row, 'device')}`, at(row, 'odd_machine')]),
  )
}

describe('machines that completed different conditions', () => {
  const x = { knobs: { order: 'x' } }
  const y = { knobs: { order: 'y' } }

  it('differ if two of them do under a condition that the third lacks', async () => {
    const cells = [on('a', 1, x), on('b', 1, x), on('c', 1, x), on('a', 2, y), on('b', 3, y), on('c', null, y)]
    for (const run of [{}, allowed]) {
      const machines = await machinesOf(cells, run)
      expect(machines).toMatchObject({ status: 'differ', strength: 'claimed' })
      expect(machines.text).toBe('a and b differ in 1 of 1 workload; which of the two is the odd one cannot be told.')
      expect(machines.rows.map(({ under, letters }) => [under, letters])).toEqual([
        ['js order=x', ['A', 'A', 'A']],
        ['js order=y', ['A', 'B', null]],
      ])
    }
  })

  it('differ if a pair does that shares nothing with another pair', async () => {
    const cells = [on('a', 1, x), on('b', 1, x), on('c', 1, y), on('d', 2, y)]
    expect(await machinesOf(cells)).toMatchObject({
      status: 'differ',
      text: 'c and d differ in 1 of 1 workload; which of the two is the odd one cannot be told; a and b agree in all.',
    })
  })

  it('are processors and cards, each compared with its kind', async () => {
    const gpu = { device: 'gpu0' }
    const report = await reportOfMachines(
      ['a', 'b', 'c'].flatMap((name) => [on(name, 1), on(name, name === 'c' ? 9 : 5, gpu)]),
    )
    expect(report.findings.machines.text).toBe(
      'c/gpu0 differs from a/gpu0 and b/gpu0 in 1 of 1 workload; a, b and c agree in all, and so do a/gpu0 and b/gpu0.',
    )
    expect(oddByMachine(report)).toEqual({
      ...{ 'a cpu': 'no', 'b cpu': 'no', 'c cpu': 'no' },
      ...{ 'a gpu0': 'no', 'b gpu0': 'no', 'c gpu0': 'yes' },
    })
    expect(renderHtml(report)).toContain('js on gpu')
    expect(renderHtml(report)).not.toContain('All of them have equal bits')
  })

  it('have their causes told by the largest rows that share no machine', async () => {
    const gpu = { device: 'gpu0' }
    const { findings } = await reportOfMachines(
      ['a', 'b', 'c'].flatMap((name) => [
        on(name, name === 'a' ? 2 : 1),
        on(name, name === 'c' ? 9 : 5, gpu),
        on(name, name === 'c' ? null : name === 'a' ? 7 : 8, x),
      ]),
      allowed,
    )
    expect(findings.machines.rows.map(({ under }) => under)).toEqual(['js', 'js on gpu', 'js order=x'])
    expect(findings.causes.filter(({ of, text }) => of === 'machines' && text.startsWith('over 3'))).toHaveLength(2)
    expect(findings.causes.filter(({ of, text }) => of === 'machines' && text.startsWith('over 2'))).toHaveLength(0)
  })
})

describe('machines that agree', () => {
  const all = (value: (machine: string, workload: number) => number | null, names: string[], workloads: number) =>
    Array.from({ length: workloads }, (_, w) =>
      names.map((name) => on(name, value(name, w), { workload: `w${w}` })),
    ).flat()

  it('are not said to agree with those that they never met', async () => {
    const cells = all((name, w) => ((w === 0) === name < 'c' ? 1 : null), ['a', 'b', 'c', 'd'], 2)
    expect((await machinesOf(cells, allowed)).text).toBe(
      'a and b agree in 1 of 2 workloads; c and d agree in 1 of 2 workloads. These sets of machines were not compared with each other.',
    )
    const chain = all((name, w) => (name === 'b' || (w === 0) === (name === 'a') ? 1 : null), ['a', 'b', 'c'], 2)
    expect((await machinesOf(chain, allowed)).text).toBe(
      'Machines agree wherever they were compared: a and b in 1 workload and b and c in 1.',
    )
  })

  it('are told from one that was compared in fewer workloads', async () => {
    const cells = all((name, w) => (name === 'c' && w > 0 ? null : 1), ['a', 'b', 'c'], 12)
    const machines = await machinesOf(cells, allowed)
    expect(machines.text).toBe('a and b agree in all 12 workloads; c was compared in 1 of these, and agrees there.')
    expect(machines.machines.map(({ compared }) => compared)).toEqual([12, 12, 1])
  })

  it('do so in the workloads that could be compared, and the others are counted', async () => {
    const cells = ['a', 'b', 'c'].flatMap((name) => [
      on(name, 1, { workload: 'w1' }),
      on(name, 1, { workload: 'w2', gave: tossing }),
    ])
    expect((await machinesOf(cells)).text).toBe(
      'All 3 machines agree in 1 of 2 workloads. In 1 other workload no two machines were compared.',
    )
  })

  it('are named by set if several sets agree and differ from each other', async () => {
    const cells = ['a', 'b', 'c', 'd'].map((name) => on(name, name < 'c' ? 1 : 2))
    const report = await reportOfMachines(cells)
    expect(report.findings.machines.text).toContain('; a and b agree in all, and so do c and d.')
    // No class holds more than half, so nobody is known not to be the odd one.
    expect(oddByMachine(report)).toEqual({ 'a cpu': '', 'b cpu': '', 'c cpu': '', 'd cpu': '' })
  })
})

describe('a machine that differs', () => {
  it('is counted over its own workloads, against the machines that it met', async () => {
    const cells = Array.from({ length: 12 }, (_, w) =>
      ['a', 'b', 'c', 'd'].map((name) => {
        const lacks = w === 0 ? name === 'd' : name === 'c'
        return on(name, lacks ? null : w === 0 && name === 'c' ? 2 : 1, { workload: `w${w}` })
      }),
    ).flat()
    expect((await machinesOf(cells, allowed)).text).toBe(
      'c differs from a and b in 1 of 1 workload; a and b agree in all. Of 12 workloads, c was compared in 1 and d in 11.',
    )
  })

  it('of two is nowhere called the odd one, nor the other one', async () => {
    const report = await reportOfMachines([on('a', 1), on('b', 2)])
    expect(oddByMachine(report)).toEqual({ 'a cpu': '', 'b cpu': '' })
    expect(oddByMachine(await reportOfMachines([on('a', 1), on('b', 1)]))).toEqual({ 'a cpu': 'no', 'b cpu': 'no' })
  })

  it('is only seen where its own rows are, whatever another machine shows', async () => {
    const cells = Array.from({ length: 8 }, (_, w) =>
      ['a', 'b', 'c'].map((name): PlannedCell => {
        const value = name === (w === 0 ? 'c' : 'b') ? 2 : 1
        return { on: name, workload: `w${w}`, gave: w === 0 ? [...five(value), value] : [value] }
      }),
    ).flat()
    const machines = await machinesOf(cells)
    expect(machines).toMatchObject({ strength: 'seen', executions: 1, needs: 5 })
    expect(machines.text).toBe(
      'b differs from most of the others in 7 of 8 workloads (only seen), c in 1. What was only seen has too few executions to be claimed: the cells ran once, a claim needs 5.',
    )
  })

  it('is claimed only if the rule claims it', async () => {
    // Of 20 seeds two differ; one of them lacks executions, and one of 20 is no claim.
    const cells = Array.from({ length: 20 }, (_, seed) =>
      ['a', 'b'].map((name): PlannedCell => {
        const value = name === 'b' && seed < 2 ? 2 : 1
        return { on: name, seed: String(seed), gave: new Array<number>(seed === 1 ? 2 : 4).fill(value) }
      }),
    ).flat()
    const machines = await machinesOf(cells)
    expect(machines).toMatchObject({ strength: 'seen', executions: 2, needs: 4 })
    expect(machines.rows.filter(({ letters }) => letters.includes('B')).map(({ strength }) => strength)).toEqual([
      'seen',
      'seen',
    ])
  })

  it('ran as often as the cells that differ, not as those that agree', async () => {
    const cells = ['a', 'b', 'c'].flatMap((name): PlannedCell[] => [
      { on: name, workload: 'w1', gave: new Array<number>(3).fill(name === 'c' ? 2 : 1) },
      { on: name, workload: 'w2', gave: [1] },
    ])
    expect((await machinesOf(cells)).text).toContain('the cells ran 3 times, a claim needs 4')
  })

  it('is no claim if it was given other inputs', async () => {
    const cells = ['a', 'b', 'c'].map((name) =>
      on(name, name === 'c' ? 2 : 1, { workload: 'reduce.sum', input: name === 'c' ? 5 : 4 }),
    )
    const report = await reportOfMachines(cells)
    expect(report.comparisons[0]?.inputsEqual).toBe(false)
    expect(report.findings.machines).toMatchObject({ status: 'differ', strength: 'seen' })
    expect(report.findings.machines.text).toContain(
      'There the inputs differ, too, so that says nothing about how the machines compute.',
    )
    expect(report.findings.machines.text).not.toContain('too few executions')
  })
})

describe('machines that disagree with themselves', () => {
  const toss = (name: string, more: Partial<PlannedCell> = {}) => on(name, 1, { gave: tossing, ...more })

  it('are why no machine was compared', async () => {
    const head =
      'No machine was compared with another: no two of 2 completed the same condition of the same workload and agreed with themselves there; '
    expect((await machinesOf([toss('a'), toss('b')])).text).toBe(`${head}a and b disagree with themselves.`)
    expect((await machinesOf([toss('a'), on('b', 1)])).text).toBe(`${head}a disagrees with itself.`)
    expect((await machinesOf([toss('a'), toss('b'), on('c', 1), on('d', 2)])).text).toBe(
      'No machine was compared with another: a and b disagree with themselves, so what they completed is no evidence on any machine.',
    )
    const apart = [on('a', 1, { knobs: { o: 1 } }), on('b', 1, { knobs: { o: 2 } })]
    expect((await machinesOf(apart)).text).toBe(
      'No machine was compared with another: no two of 2 completed the same condition of the same workload.',
    )
  })

  it('are named with the reason if others were compared', async () => {
    const cells = [toss('a'), on('b', 1), on('c', 1), on('d', 2), on('e', null)]
    const { text } = await machinesOf(cells, allowed)
    expect(text).toContain(' a was not compared: it disagrees with itself.')
    expect(text).toContain(' e was not compared: it completed no cell (js has no such kernel).')
  })

  it('leave no claim about the others without more executions', async () => {
    // Three machines that toss a coin three times: two that agree with themselves differ in more than 5 % of such runs.
    const cells = [
      { on: 'a', gave: [1, 2, 1] },
      { on: 'b', gave: [1, 1, 1] },
      { on: 'c', gave: [2, 2, 2] },
    ]
    const machines = await machinesOf(cells)
    expect(machines).toMatchObject({ status: 'differ', strength: 'seen', executions: 3, needs: 4 })
  })

  it('name how many more there are', async () => {
    const cells = [on('a', 1), ...Array.from('bcdefghij', (name) => on(name, null))]
    expect((await machinesOf(cells)).text).toMatch(
      /only a completed cells; b \(.*\), c \(.*\), d \(.*\) and 6 others did not\.$/,
    )
  })
})

describe('machines that are coins', () => {
  const base = { coin: 'p = 0.5', workloads: 1, agents: 1, cards: 0 } as const
  it.each<[string, MachineCoinDesign]>([
    ['2 processors', { ...base, agents: 2 }],
    ['3 processors', { ...base, agents: 3 }],
    ['8 processors', { ...base, agents: 8 }],
    ['4 cards of one agent', { ...base, cards: 4 }],
    ['8 cards of one agent', { ...base, cards: 8 }],
    ['2 agents with 4 cards each', { ...base, agents: 2, cards: 4 }],
    ['8 cards, ten workloads', { ...base, cards: 8, workloads: 10 }],
    ['3 processors, ten workloads, a rare outcome', { ...base, agents: 3, workloads: 10, coin: 'p = 0.1' }],
  ])('are claimed to differ in at most 5 %% of the runs: %s', (_, design) => {
    // 300 runs: with a share of 5 %, more than 27 false claims come up in fewer than 0.1 % of all sets of seeds.
    expect(falseMachineClaims(design, 300)).toBeLessThanOrEqual(27)
  })

  it('are judged as in any report', async () => {
    let differ = 0
    for (let seed = 0; seed < 60; seed++) {
      const design = { ...base, agents: 3, executions: 2 }
      const values = drawCells(design, seed).map(({ agent, workload, device, traces }) => ({
        ...{ on: agent, workload, device },
        gave: traces.map((trace) => (trace === 'heads' ? 1 : 2)),
      }))
      const machines = await machinesOf(values)
      const { status, strength, executions, needs } = tossMachines(design, seed)
      expect(machines).toMatchObject({ status, strength, executions, needs })
      differ += status === 'differ' ? 1 : 0
    }
    expect(differ).toBeGreaterThan(5)
  })
})
