import { describe, expect, it } from 'vitest'
import { createSyntheticRun, f32, type SyntheticExecution, syntheticAgent } from '../../test/synthetic-run.ts'
import type { RunState } from '../records.ts'
import { cellOutcomes } from './cells.ts'
import { classify, groupOutcomes, letterOf } from './classes.ts'

const agent = syntheticAgent('a')
const of = (value: number, facts = {}): SyntheticExecution => ({
  checkpoints: [{ step: 0, name: 'sum', tensor: f32([value]), output: true }],
  facts,
})
const crash: SyntheticExecution = { outcome: { status: 'crashed', signal: 'SIGKILL', stderr: '' } }
const none: SyntheticExecution = { outcome: { status: 'unsupported', reason: 'no kernel' } }

/** The cells of one workload under as many orders as there are lists of executions. */
function outcomesOf(...cells: (SyntheticExecution | null)[][]) {
  const run = createSyntheticRun([agent])
  const ids = cells.map((executions, i) => run.add({ workload: 'w', backend: 'js', knobs: { order: i }, executions }))
  return { ids, data: run.data(), outcomes: cellOutcomes(run.data()) }
}

const shape = ({ classes }: ReturnType<typeof classify>) =>
  classes.map(({ letter, members }) => [letter, members.map(({ cell }) => cell.condition.knobs['order'])])

describe('classify', () => {
  it('letters classes by their first cells in the plan, never by size', () => {
    const { outcomes } = outcomesOf([of(1)], [of(2)], [of(2)], [of(2)], [of(1)], [of(3)])
    expect(shape(classify(outcomes))).toEqual([
      ['A', [0, 4]],
      ['B', [1, 2, 3]],
      ['C', [5]],
    ])
  })

  it('keeps a cell that disagrees with itself out of every class, however alone its odd execution is', () => {
    const { ids, outcomes } = outcomesOf([of(1), of(1)], [of(1), of(1), of(1), of(2), of(1)])
    const found = classify(outcomes)
    expect(shape(found)).toEqual([['A', [0]]])
    expect(
      found.nondeterministic.map(({ outcome, byTrace }) => [outcome.cell.id, byTrace.map(({ length }) => length)]),
    ).toEqual([[ids[1], [4, 1]]])
  })

  it('compares what completed of a cell whose other repetitions did not, and counts it incomplete', () => {
    const { ids, outcomes } = outcomesOf([of(1), of(1)], [of(2), crash], [none, none], [null, null], [none, crash])
    const found = classify(outcomes)
    expect(shape(found)).toEqual([
      ['A', [0]],
      ['B', [1]],
    ])
    expect(found.incomplete.map(({ cell }) => cell.id)).toEqual([ids[1], ids[3], ids[4]])
    expect(found.inapplicable.map(({ cell }) => cell.id)).toEqual([ids[2]])
    expect(found.compared.map(({ cell }) => cell.id)).toEqual([ids[0], ids[1]])
    expect(outcomes.map(({ ending }) => ending.status)).toEqual([
      'completed',
      'crashed',
      'unsupported',
      'missing',
      'crashed',
    ])
  })

  it('calls cancelled what a cancelled run never began, and missing what any other lost', () => {
    const { data } = outcomesOf([of(1), null], [null])
    const endings = (state: RunState) =>
      cellOutcomes({ ...data, run: { ...data.run, state } }).map(({ ending }) => ending.status)
    expect(endings('cancelled')).toEqual(['cancelled', 'cancelled'])
    expect(endings('done')).toEqual(['missing', 'missing'])
  })

  it('says by how many executions the least tried cell agrees', () => {
    expect(classify(outcomesOf([of(1), of(1), of(1)], [of(2)]).outcomes).leastExecutions).toBe(1)
    expect(classify(outcomesOf([crash]).outcomes).leastExecutions).toBeNull()
  })

  it('takes every completed attempt as evidence and drops one that was made again', () => {
    const { data } = outcomesOf([of(1), of(1)])
    const [first] = data.executions as [(typeof data.executions)[number]]
    const lost = {
      ...first,
      execution: { ...first.execution, outcome: { status: 'cancelled' } as const, trace: undefined },
    }
    const again = { ...first, attempt: 2 }
    const retried = cellOutcomes({ ...data, executions: [lost, again, data.executions[1] as typeof first] })
    expect(retried[0]?.completed).toHaveLength(2)
    expect(retried[0]?.ending.status).toBe('completed')
    const other = { ...again, execution: { ...again.execution, trace: '0'.repeat(64) } }
    expect(classify(cellOutcomes({ ...data, executions: [...data.executions, other] })).nondeterministic).toHaveLength(
      1,
    )
  })
})

describe('groupOutcomes', () => {
  it('compares only cells of one workload, parameters and seed; the order in which parameters are written is none', () => {
    const run = createSyntheticRun([agent])
    const executions = [of(1)]
    run.add({ workload: 'w', params: { a: 1, b: 2 }, backend: 'js', executions })
    run.add({ workload: 'w', params: { a: 1, b: 3 }, backend: 'js', executions })
    run.add({ workload: 'w', params: { b: 2, a: 1 }, backend: 'libm', executions })
    run.add({ workload: 'w', params: { a: 1, b: 2 }, seed: '43', backend: 'js', executions })
    run.add({ workload: 'v', params: { a: 1, b: 2 }, backend: 'js', executions })
    expect(groupOutcomes(cellOutcomes(run.data())).map(({ outcomes }) => outcomes.length)).toEqual([2, 1, 1, 1])
  })
})

describe('cellOutcomes', () => {
  it('keeps facts on which all executions agree and names those on which they do not', () => {
    const { data } = outcomesOf([
      of(1, { 'cpu.affinity': '0', libc: 'glibc 2.36', 'fp.ftz': 'no' }),
      of(1, { 'cpu.affinity': '1', libc: 'glibc 2.36', 'fp.ftz': 'no' }),
    ])
    const [outcome] = cellOutcomes(data)
    expect(outcome?.facts).toEqual({ 'fp.ftz': 'no' })
    expect(outcome?.varying).toEqual({ 'cpu.affinity': ['0', '1'] })
  })

  it('orders the cells of one condition by the names of their agents, and not by their keys', () => {
    const agents = [syntheticAgent('a-1', {}, 'node10'), syntheticAgent('a-2', {}, 'node2')]
    const run = createSyntheticRun(agents)
    for (const { id } of agents) run.add({ agent: id, workload: 'w', backend: 'js', executions: [of(1)] })
    const data = run.data()
    const side = { ...data, cells: data.cells.map((cell) => ({ ...cell, position: 1 })) }
    expect(cellOutcomes(side).map(({ cell }) => cell.agent)).toEqual(['a-2', 'a-1'])
  })
})

it('letters as a spreadsheet does', () => {
  expect([0, 25, 26, 51, 52, 701, 702].map(letterOf)).toEqual(['A', 'Z', 'AA', 'AZ', 'BA', 'ZZ', 'AAA'])
})
