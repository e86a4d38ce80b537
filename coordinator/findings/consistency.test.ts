import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectedRun, type GeneratedRun, generatedRun, makeRun } from '../../test/generated-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'
import { renderCsv } from '../report/csv.ts'
import type { Report, ReportCell, Verdict } from '../report/format.ts'
import { renderHtml } from '../report/html/index.tsx'
import { renderMarkdown } from '../report/markdown.ts'
import { buildMatrix, foldRows } from '../report/matrix.ts'
import { renderText } from '../report/text.ts'

// Sentence, verdict, exit code, matrix, JSON and CSV of a run never contradict each other, nor count what was not
// compared. What is counted is counted here again, from the executions alone.

async function reportOf(plan: GeneratedRun): Promise<Report> {
  const run = makeRun(plan)
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
}

interface Row {
  readonly workload: string
  /** Traces of each cell that completed an execution. */
  readonly completed: Map<string, Set<string>>
  /** Of those that agree with themselves, and whose condition does so wherever it is evidence for them. */
  readonly evident: Set<string>
  readonly gap: boolean
  /** Executions of each cell that agrees with itself. */
  readonly repeated: number[]
}

/** Whether a cell's condition disagrees with itself in its workload: on its agent, or on two others. */
function isSilenced(cell: ReportCell, cells: readonly ReportCell[]): boolean {
  const keyOf = ({ workload, condition: { backend, knobs } }: ReportCell) => JSON.stringify([workload, backend, knobs])
  const agents = new Set(
    cells
      .filter((other) => keyOf(other) === keyOf(cell) && new Set(other.traces.filter((one) => one !== null)).size > 1)
      .map(({ agent }) => agent),
  )
  return agents.has(cell.agent) || agents.size > 1
}

/** By workload and seed, from the cells alone. */
function rowsOf({ cells, run }: Report): Row[] {
  const request = ({ workload, seed, condition: { backend, knobs } }: ReportCell) =>
    JSON.stringify([workload, seed, backend, knobs])
  const completedSomewhere = new Set(cells.filter(({ traces }) => traces.some((trace) => trace !== null)).map(request))
  const rows = new Map<string, { -readonly [Key in keyof Row]: Row[Key] }>()
  for (const cell of cells) {
    const { id, workload, seed, traces, status, condition } = cell
    const fresh: Row = { workload, completed: new Map(), evident: new Set(), gap: false, repeated: [] }
    const row = rows.get(`${workload} ${seed}`) ?? { ...fresh }
    rows.set(`${workload} ${seed}`, row)
    const found = traces.filter((trace) => trace !== null)
    if (found.length > 0) row.completed.set(id, new Set(found))
    if (new Set(found).size === 1) row.repeated.push(found.length)
    if (new Set(found).size === 1 && !isSilenced(cell, cells)) row.evident.add(found[0] as string)
    const unsupported = status === 'unsupported' && found.length === 0
    // No agent of these has blis; what another agent completes is not impossible, but absent here.
    const absent = unsupported && (condition.backend === 'blis' || completedSomewhere.has(request(cell)))
    if (absent && run.absent !== 'allow') row.gap = true
    if (!unsupported && found.length < traces.length) row.gap = true
  }
  return [...rows.values()]
}

const differs = ({ completed }: Row) =>
  new Set([...completed.values()].filter(({ size }) => size === 1).map((traces) => [...traces][0])).size > 1
const unstable = ({ completed }: Row) => [...completed.values()].some(({ size }) => size > 1)
const compared = ({ completed }: Row) => completed.size > 1

/** What a run's verdict is to be. The plan expects something of workload `w0` only. */
function verdictOf(rows: readonly Row[], { expect: expectation, state }: GeneratedRun): Verdict {
  const expectedOf = ({ workload }: Row) => (workload === 'w0' ? expectation : undefined)
  const judged = rows.map((row): Verdict => {
    if (expectedOf(row) === 'nondeterministic') {
      return row.evident.size > 1 ? 'divergent' : row.gap ? 'incomplete' : 'identical'
    }
    return unstable(row) ? 'nondeterministic' : differs(row) ? 'divergent' : row.gap ? 'incomplete' : 'identical'
  })
  const unmet = rows.some((row) => {
    const repeats = !unstable(row) && row.repeated.length > 0 && Math.min(...row.repeated) > 1
    return expectedOf(row) === 'repeatable' ? !repeats : expectedOf(row) === 'nondeterministic' && !unstable(row)
  })
  if (judged.includes('nondeterministic')) return 'nondeterministic'
  if (judged.includes('divergent')) return 'divergent'
  if (!rows.some(compared)) return 'nothing compared'
  return judged.includes('incomplete') || unmet || state !== 'done' ? 'incomplete' : 'identical'
}

function csvRows(report: Report): Record<string, string>[] {
  const [head = '', ...lines] = renderCsv(report)
    .split('\r\n')
    .filter((line) => line !== '')
  const split = (line: string) =>
    [...line.matchAll(/(?:"((?:[^"]|"")*)"|([^",]*))(?:,|$)/g)].map((m) => m[1] ?? m[2] ?? '')
  const names = split(head)
  return lines.map((line) => Object.fromEntries(split(line).map((text, i) => [names[i] ?? '', text])))
}

async function forAll(check: (report: Report, plan: GeneratedRun) => void, numRuns = 60, runs = generatedRun) {
  await fc.assert(
    fc.asyncProperty(runs, async (plan) => check(await reportOf(plan), plan)),
    { numRuns },
  )
}

describe('over generated runs', () => {
  it('counts what was compared, and nothing else', async () => {
    await forAll((report) => {
      const rows = rowsOf(report)
      const { counts } = report.findings
      const cells = rows.filter(compared).reduce((sum, { completed }) => sum + completed.size, 0)
      expect(counts.cells.compared).toBe(cells)
      expect(counts.rows.compared).toBe(rows.filter(compared).length)
      expect(counts.rows.identical).toBe(
        rows.filter((row) => compared(row) && !row.gap && !differs(row) && !unstable(row)).length,
      )
      expect(counts.rows.incomplete).toBe(rows.filter(({ gap }) => gap).length)
      expect(counts.rows.nondeterministic).toBe(rows.filter(unstable).length)
      expect(csvRows(report).filter((row) => row.compared === 'yes').length).toBe(cells)
    })
  })

  it('judges as its rows do, and ends with the code of its verdict', async () => {
    for (const runs of [generatedRun, expectedRun]) {
      await forAll(
        (report, plan) => {
          const { verdict, exitCode } = report.findings
          expect(report.verdict).toBe(verdict)
          expect(report.sentence).toBe(report.findings.sentence)
          expect(exitCode).toBe(
            { identical: 0, incomplete: 3, 'nothing compared': 3, divergent: 1, nondeterministic: 1 }[verdict],
          )
          expect(verdict).toBe(verdictOf(rowsOf(report), plan))
        },
        60,
        runs,
      )
    }
  })

  it('says in its first sentence what its verdict is', async () => {
    await forAll((report) => {
      const { sentence, verdict, counts } = report.findings
      if (counts.rows.compared === 0) expect(sentence).toMatch(/^Nothing was compared/)
      else expect(sentence).not.toMatch(/^Nothing was compared/)
      const all = /^(?:All |1 (?:compared )?workload is identical)/.test(sentence)
      expect(all).toBe(counts.rows.compared > 0 && counts.rows.identical === counts.rows.compared)
      if (verdict === 'divergent') expect(sentence).toMatch(/\d differs?:|differs? only under/)
      if (verdict === 'nondeterministic') expect(sentence).toMatch(/differs? from run to run:/)
      if (verdict === 'incomplete') expect(sentence).toMatch(/incomplete:|not as expected:|the run was cancelled$/)
      if (verdict === 'identical') {
        expect(sentence).not.toMatch(
          /incomplete|not as|the run|not identical|None|differ(?!s? from run to run as expected:)/,
        )
      }
    }, 120)
  })

  it('claims of a seed only what its own cells show', async () => {
    await forAll((report) => {
      const traces = new Map(report.cells.map((cell) => [cell.id, new Set(cell.traces.filter((one) => one !== null))]))
      for (const { rows, followedIn, outcome, strength, executions, needs } of report.findings.settings) {
        const { claimed, seen } = followedIn
        expect(claimed.length + seen.length > 0).toBe(outcome === 'followed')
        expect(claimed.length > 0).toBe(outcome === 'followed' && strength === 'claimed')
        expect(strength === undefined).toBe(outcome === 'not tested')
        if (claimed.length > 0) expect(executions).toBeGreaterThanOrEqual(needs)
        for (const index of [...claimed, ...seen]) {
          expect(rows).toContain(index)
          const distinct = report.comparisons[index]?.compared.flatMap((id) => [...(traces.get(id) ?? [])])
          expect(new Set(distinct).size).toBeGreaterThan(1)
        }
        expect(claimed.filter((index) => seen.includes(index))).toEqual([])
      }
    })
  })

  it('gives each notice to all its cells in CSV, and calls inapplicable only what gave nothing anywhere', async () => {
    await forAll((report) => {
      const rows = csvRows(report)
      for (const { kind, heading, text, subject, cells } of report.findings.notices) {
        const having = rows.filter(({ notices = '' }) => notices.split(' | ').includes(`${heading}: ${text}`))
        // Notices of one text may have several subjects.
        const alike = report.findings.notices.filter((other) => other.kind === kind && other.text === text)
        expect([subject, having.length]).toEqual([subject, alike.reduce((sum, other) => sum + other.cells, 0)])
        expect(cells).toBeLessThanOrEqual(having.length)
        if (kind === 'inapplicable' || kind === 'absent') {
          expect(having.every((row) => row.completed === '0' && row.lack === kind)).toBe(true)
        }
      }
      const lacking = report.findings.notices.filter(({ kind }) => kind === 'inapplicable')
      const { inapplicable } = report.findings.counts.cells
      expect(lacking.reduce((sum, { cells }) => sum + cells, 0)).toBe(inapplicable)
    })
  })

  it('letters the matrix, JSON and CSV alike, and folds only rows that were compared and are equal', async () => {
    await forAll((report) => {
      const letters = new Map(
        report.comparisons.flatMap(({ classes }) =>
          classes.flatMap(({ letter, cells }) => cells.map((id) => [id, letter])),
        ),
      )
      for (const order of ['condition', 'machine'] as const) {
        const { rows } = buildMatrix(report, order)
        for (const mark of rows.flatMap(({ marks }) => Array.from(marks))) {
          if (mark === undefined) continue
          const plain = mark.text.replace('!', '')
          expect(/^[A-Z]+$/.test(plain) ? plain : undefined).toBe(letters.get(mark.cell.id))
        }
        for (const fold of foldRows(rows).filter((one) => one.rows.length > 1)) {
          for (const { comparison } of fold.rows) {
            expect(comparison.verdict).toBe('identical')
            expect(comparison.compared.length).toBeGreaterThan(1)
          }
        }
      }
      for (const row of csvRows(report)) {
        const letter = row.class ?? ''
        if (/^[A-Z]+$/.test(letter)) expect(letter).toBe(letters.get(row.cell ?? ''))
        else expect(letters.has(row.cell ?? '')).toBe(false)
      }
    })
  })

  it('never says that a knob had no effect and that the bits followed it', async () => {
    await forAll((report) => {
      const { settings, knobs } = report.findings
      const followed = new Set(settings.filter(({ outcome }) => outcome === 'followed').map(({ setting }) => setting))
      for (const { knob, state } of knobs) if (state === 'no effect') expect(followed.has(knob)).toBe(false)
      const text = renderText(report, { color: false })
      for (const knob of followed) expect(text).not.toContain(`${knob}: ${knob}=1 had no effect`)
    })
  })

  it('names as odd only machines whose bits differ from more than half of the others', async () => {
    await forAll((report) => {
      const { machines, exitCode } = report.findings
      if (machines.status === 'differ') expect(exitCode).toBe(1)
      for (const { letters, odd } of machines.rows) {
        const present = letters.filter((letter) => letter !== null)
        for (const i of odd) {
          const same = present.filter((letter) => letter === letters[i]).length
          expect(present.length).toBeGreaterThan(2)
          expect(same * 2).toBeLessThan(present.length)
        }
      }
      expect(machines.status === 'differ').toBe(
        machines.rows.some(({ letters }) => new Set(letters.filter((letter) => letter !== null)).size > 1),
      )
    })
  })

  it('says the same in every form', async () => {
    const plain = (text: string) =>
      text
        .replaceAll(/\\(.)/g, '$1')
        .replaceAll('&quot;', '"')
        .replaceAll('&#39;', "'")
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&')
    await forAll((report) => {
      const { findings } = report
      const forms = [renderText(report, { color: false, width: 120 }), renderMarkdown(report), renderHtml(report)].map(
        plain,
      )
      const differing = new Set(report.comparisons.flatMap(({ verdict }, i) => (verdict === 'identical' ? [] : [i])))
      for (const form of forms) {
        expect(form).toContain(findings.sentence)
        if (findings.machines.machines.length > 1) expect(form).toContain(findings.machines.text)
        for (const { text } of findings.notices) expect(form).toContain(text)
        for (const { text, rows } of [...findings.settings, ...findings.causes]) {
          if (rows.some((row) => differing.has(row))) expect(form).toContain(text)
        }
        for (const { text } of findings.self) expect(form).toContain(text)
      }
    })
  })
})
