import { describe, expect, it } from 'vitest'
import { five, type PlannedCell, reportOfMachines } from '../../test/report-of-machines.ts'

const names = ['a', 'b', 'c']
const cell = (on: string, value: number, more: Partial<PlannedCell> = {}): PlannedCell => ({
  on,
  gave: five(value),
  ...more,
})
const variables = (entries: [string, string][]): Record<string, string> => Object.fromEntries(entries)
const textsOf = async (cells: readonly PlannedCell[]) =>
  (await reportOfMachines(cells)).findings.machines.candidates.map(({ text }) => text)

describe('the first to look at', () => {
  it('tells a value that is not read back from a variable that is not set, and both from an empty one', async () => {
    const odd = (more: (name: string) => Partial<PlannedCell>) =>
      textsOf(names.map((name) => cell(name, name === 'c' ? 2 : 1, more(name))))
    expect(await odd((name) => (name === 'c' ? {} : { effective: { coreType: 'Haswell' } }))).toEqual([
      'js.coreType is not read back on c, Haswell on a and b',
    ])
    expect(await odd((name) => ({ ambient: variables(name === 'c' ? [] : [['OMP_NUM_THREADS', '4']]) }))).toEqual([
      'OMP_NUM_THREADS is not set on c, 4 on a and b',
    ])
    expect(await odd((name) => ({ ambient: variables(name === 'c' ? [['CUDA_VISIBLE_DEVICES', '']] : []) }))).toContain(
      'CUDA_VISIBLE_DEVICES is set to nothing on c, not set on a and b',
    )
  })

  it('counts every value that was in force, also one that is a part of another', async () => {
    const threads = (o: number, name: string) => (name === 'c' ? '8' : name === 'a' && o === 2 ? '1' : '16')
    const cells = names.flatMap((name) =>
      [1, 2].map((o) =>
        cell(name, name === 'c' ? 2 * o : 2 * o - 1, { knobs: { o }, effective: { threads: threads(o, name) } }),
      ),
    )
    // a had 16 and 1, b only 16: their bits are equal, so the threads do not go along with them.
    expect(await textsOf(cells)).toEqual([])
  })

  it('is one for each way of grouping, says in how many workloads, and belongs to the machine that is named', async () => {
    const cells = names.flatMap((name) => [
      cell(name, name === 'c' ? 2 : 1, { workload: 'w1', effective: { coreType: name === 'c' ? 'X' : 'Y' } }),
      ...['w2', 'w3'].map((workload) =>
        cell(name, name === 'b' ? 2 : 1, { workload, effective: { coreType: name === 'b' ? 'X' : 'Y' } }),
      ),
    ])
    const { machines } = (await reportOfMachines(cells)).findings
    expect(machines.candidates.map(({ text, rows }) => [text, rows])).toEqual([
      ['js.coreType is X on b, Y on a and c (in 2 of the 3 workloads that differ)', [1, 2]],
      ['js.coreType is X on c, Y on a and b (in 1 of the 3 workloads that differ)', [0]],
    ])
    expect(machines.text).toContain('First to look at: js.coreType is X on b')
  })

  it('is nothing where the inputs differ', async () => {
    const cells = names.map((name) =>
      cell(name, name === 'c' ? 2 : 1, {
        workload: 'reduce.sum',
        input: name === 'c' ? 5 : 4,
        effective: { coreType: name === 'c' ? 'X' : 'Y' },
      }),
    )
    expect(await textsOf(cells)).toEqual([])
  })
})
