import { describe, expect, it } from 'vitest'
import { type CellOfReport, repeated, reportOfCells } from '../../test/report-of-cells.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'
import type { Expectation } from '../records.ts'
import { renderCsv } from '../report/csv.ts'
import type { Report } from '../report/format.ts'
import { renderHtml } from '../report/html/index.tsx'

const textsOf = ({ findings }: Report) => findings.notices.map(({ heading, text }) => `${heading}: ${text}`)
const expecting = (expect: Expectation) => ({ rowRules: [{ workload: 'w', params: {}, expect }] })

describe('a cell some of whose executions are unsupported', () => {
  it('failed in part, and is not inapplicable', async () => {
    const report = await reportOfCells([{ gives: [1, 'unsupported', 1] }, { agent: 'b', gives: [1, 1, 1] }])
    expect(textsOf(report)).toEqual([
      'Partly failed: repetition 1 (js has no kernel w) of 3 did not complete; the others are compared',
    ])
    expect(renderHtml(report)).not.toContain('that cannot be computed')
  })

  it('is said to be compared only if it was', async () => {
    const report = await reportOfCells([{ gives: [1, 'crashed', 1] }])
    expect(textsOf(report)).toEqual([
      'Partly failed: repetition 1 (died of SIGSEGV) of 3 did not complete; the others have no other cell to be compared with',
    ])
  })
})

describe('a notice of many cells', () => {
  it('reaches all of them in report.csv', async () => {
    const cells = Array.from(
      { length: 60 },
      (_, i): CellOfReport => ({
        agent: `n${i}`,
        knobs: { threads: 2 },
        effective: { threads: '1' },
        gives: [1, 1],
      }),
    )
    const report = await reportOfCells(cells)
    expect(report.findings.notices).toMatchObject([{ heading: 'Replaced', cells: 60 }])
    expect(report.findings.notices[0]?.examples).toHaveLength(40)
    expect(renderCsv(report).match(/Replaced: js\.threads=2 was replaced by 1/g)).toHaveLength(60)
  })
})

describe('a row without any result', () => {
  it('has no inputs that could be equal', async () => {
    const report = await reportOfCells(['a', 'b'].map((agent) => ({ agent, gives: ['crashed', 'crashed'] })))
    expect(report.comparisons.map(({ inputsEqual }) => inputsEqual)).toEqual([null])
    expect(textsOf(report)).toEqual(['No result: crashed with SIGSEGV'])
  })

  it('does not keep the other seeds of its workload from being tested', async () => {
    const cells = ['1', '2'].flatMap((seed): CellOfReport[] =>
      [1, 2].map((o) => ({ seed, knobs: { o }, gives: seed === '1' ? ['crashed'] : repeated(o, 6) })),
    )
    const { findings } = await reportOfCells(cells)
    expect(findings.settings).toMatchObject([{ setting: 'js.o', outcome: 'followed', strength: 'claimed' }])
    const unstable = await reportOfCells([1, 2].map((o) => ({ knobs: { o }, gives: [1, 2] })))
    expect(unstable.findings.settings).toMatchObject([{ setting: 'js.o', outcome: 'not tested' }])
    expect(unstable.comparisons.map(({ inputsEqual }) => inputsEqual)).toEqual([null])
    expect(textsOf(unstable)).toEqual([])
  })
})

describe('an expectation that was not met', () => {
  it.each<[Expectation, CellOfReport['gives'][], string]>([
    ['repeatable', [[1, 1, 1], [1]], '1 of 2 cells ran only once, so this is not known'],
    ['repeatable', [[1], [1]], 'all 2 cells ran only once, so this is not known'],
    ['repeatable', [[1]], 'its only cell ran only once, so this is not known'],
    ['repeatable', [['crashed'], ['crashed']], 'no cell completed, so this is not known'],
    ['repeatable', [[1, 2], [1]], '1 cell disagreed with itself'],
    [
      'repeatable',
      [
        [1, 2],
        [2, 1],
      ],
      '2 cells disagreed with themselves',
    ],
    ['nondeterministic', [['crashed']], 'no cell completed, so this is not known'],
    ['nondeterministic', [[1, 1, 1], [1]], 'it did not in 1 to 3 executions of a cell'],
  ])('%s, with cells of %j: %s', async (expectation, cells, text) => {
    const report = await reportOfCells(
      cells.map((gives, i) => ({ agent: `n${i}`, gives })),
      expecting(expectation),
    )
    const [said] = report.findings.notices.filter(({ kind }) => kind === 'expectation')
    expect(said?.text.split('; ')[1]).toBe(text)
  })
})

describe('what agreement shows', () => {
  const agreementOf = async (...executions: number[]) =>
    (await reportOfCells(executions.map((count, i) => ({ agent: `n${i}`, gives: repeated(1, count) })))).findings
      .agreement?.text

  it('goes by the least number of executions of a cell that ran again', async () => {
    expect(await agreementOf(1, 2, 60)).toBe(
      'Some cells ran once: this shows nothing about whether they agree with themselves. Of the others, all executions of a cell are equal: 2 to 60 of each. With 95 % confidence, all other outcomes of such a cell together are rarer than 95\u202f%, and than 4.95\u202f% if it ran 60 times.',
    )
    expect(await agreementOf(1, 60)).toMatch(/60 of each\. .* such a cell together are rarer than 4\.95\u202f%\.$/)
    expect(await agreementOf(2, 60)).toMatch(
      /^In each class, .* 2 to 60 of each\. .* a cell together are rarer than 95\u202f%, and than 4\.95\u202f% if it ran 60 times\.$/,
    )
    expect(await agreementOf(1, 1)).toMatch(/^Each cell ran once/)
  })
})

it('does not call changed what some executions did not record', async () => {
  const run = createSyntheticRun([syntheticAgent('a')])
  const facts: Record<string, string>[] = [
    { 'lib.blas.core': 'Haswell', 'cpu.affinity': '0', 'lib.libc.digest': 'a' },
    { 'cpu.affinity': '1' },
    { 'lib.blas.core': 'Haswell', 'lib.libc.digest': 'b' },
  ]
  const checkpoints = [{ step: 0, name: 'y', tensor: f32([1], []), output: true }]
  run.add({ workload: 'w', backend: 'js', executions: facts.map((own) => ({ checkpoints, facts: own })) })
  const { findings } = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
  expect(findings.notices.filter(({ kind }) => kind === 'warning').map(({ text }) => text)).toEqual([
    '2 facts changed between its executions: cpu.affinity, lib.libc.digest',
    '1 fact was not recorded in all its executions: lib.blas.core',
  ])
})
