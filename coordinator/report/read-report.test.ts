import { describe, expect, it } from 'vitest'
import { type CellOfReport, repeated, reportOfCells } from '../../test/report-of-cells.ts'
import { sampleReport } from '../../test/sample-report.ts'
import type { Report } from './format.ts'
import { parseReport } from './read-report.ts'

type Loose = Record<string, unknown>

/** The same as version 0.1 wrote it. */
function firstVersion(report: Report): Loose {
  const { sentence, verdict, findings: _, cells, comparisons, ...rest } = JSON.parse(JSON.stringify(report)) as Report
  return {
    ...{ ...rest, sentence, verdict, schema: 'bitfleet/report@1' },
    cells: cells.map(({ lack: _lack, ambient: _ambient, ...cell }) => cell),
    comparisons: comparisons.map(({ absent, inapplicable, compared: _compared, inputs: _inputs, ...row }) => ({
      ...row,
      unsupported: [...absent, ...inapplicable],
      // It counted what is absent nowhere.
      verdict: row.verdict === 'incomplete' && row.incomplete.length === 0 ? 'identical' : row.verdict,
      nondeterministic: row.nondeterministic.map(({ first: _first, missing: _missing, ...self }) => self),
    })),
  }
}

const two = (...gives: CellOfReport['gives'][]): CellOfReport[] =>
  gives.map((own, i) => ({ agent: `n${i}`, gives: own }))

describe('a report of version 0.1', () => {
  it('counts and judges as its cells were judged today', () => {
    const report = sampleReport()
    const read = parseReport(firstVersion(report))
    expect(read.comparisons.map(({ verdict }) => verdict)).toEqual(report.comparisons.map(({ verdict }) => verdict))
    expect(read.findings.counts).toEqual(report.findings.counts)
    expect(read.findings.exitCode).toBe(report.findings.exitCode)
  })

  it('is incomplete if a backend is absent', async () => {
    const cells = [...two([1, 1], [1, 1]), { agent: 'n2', backend: 'blis', gives: repeated('unsupported' as const, 2) }]
    const report = await reportOfCells(cells)
    const { verdict, sentence, findings, comparisons } = parseReport(firstVersion(report))
    expect([verdict, findings.exitCode, comparisons[0]?.verdict]).toEqual(['incomplete', 3, 'incomplete'])
    expect(sentence).toBe(report.sentence)
    const allowed = firstVersion(await reportOfCells(cells, { absent: 'allow' }))
    expect(parseReport(allowed).verdict).toBe('identical')
  })

  it('does not call inapplicable what completed in part', async () => {
    const report = firstVersion(await reportOfCells(two([1, 'unsupported'], [1, 1])))
    const [row] = report.comparisons as { incomplete: string[]; unsupported: string[] }[]
    row?.unsupported.push(...row.incomplete.splice(0))
    const read = parseReport(report)
    expect(read.comparisons[0]).toMatchObject({ inapplicable: [], absent: [], verdict: 'incomplete' })
    expect(read.findings.notices.map(({ heading }) => heading)).toEqual(['Partly failed'])
  })

  it('says of a cell that disagrees with itself what it recorded', async () => {
    const old = firstVersion(await reportOfCells(two([1, 2], [1, 1])))
    expect(parseReport(old).findings.self[0]?.text).toMatch(/; the first two of them differ at y \(checkpoint 0/)
    for (const row of old.comparisons as { nondeterministic: Loose[] }[]) {
      for (const self of row.nondeterministic) self.divergence = null
    }
    expect(parseReport(old).findings.self[0]?.text).toMatch(
      /; where they differ is not known: reports of version 0\.1 do not tell$/,
    )
  })
})

describe('a report of a stranger', () => {
  it('is read in the end, whatever a cell that disagrees with itself ran', async () => {
    const report = firstVersion(await reportOfCells(two([1, 2], [1, 1])))
    for (const cell of report.cells as { traces: unknown[] }[]) {
      if (new Set(cell.traces).size > 1) cell.traces = [null]
    }
    expect(parseReport(report).findings.self[0]?.twin?.text).toContain('Too few executions')
  })

  it('is read in seconds if it has many rows, rules, seeds and parameters', { timeout: 60_000 }, async () => {
    const report = firstVersion(await reportOfCells(two([1, 1], [2, 2])))
    const [row] = report.comparisons as Loose[]
    const many = 2000
    report.comparisons = Array.from({ length: many }, (_, i) => ({ ...row, seed: String(i), params: { [`p${i}`]: i } }))
    report.run = {
      ...(report.run as Loose),
      rowRules: Array.from({ length: many }, (_, i) => ({ workload: 'w', params: { [`p${i}`]: i }, absent: 'allow' })),
    }
    const began = performance.now()
    expect(parseReport(report).findings.rows).toHaveLength(many)
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})
