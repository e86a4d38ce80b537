import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runPython, withoutNumpy } from '../../test/python.ts'
import { sampleReport, sampleRun } from '../../test/sample-report.ts'
import { exportArtifacts, writeReport } from './files.ts'
import type { DifferenceKind, ElementComparison, Report, SelfDifference } from './format.ts'

const root = join(import.meta.dirname, '..', '..')
const absent = withoutNumpy('docs/verify-with-numpy.md')

describe.skipIf(absent)('the script of docs/verify-with-numpy.md', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bitfleet-verify-'))
    const page = await readFile(join(root, 'docs', 'verify-with-numpy.md'), 'utf8')
    await writeFile(join(dir, 'verify.py'), /^```python\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '')
    await exportArtifacts(sampleReport(), sampleRun().artifacts, dir, 'all')
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))

  async function verify(report: Report): Promise<{ status: number | null; stdout: string; stderr: string }> {
    await writeReport(report, dir, { formats: ['json'] })
    return runPython([join(dir, 'verify.py'), dir, '--complete'])
  }

  it('agrees with every figure', async () => {
    const { status: code, stdout, stderr } = await verify(sampleReport())
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^\d{4,} figures checked, 0 wrong, 0 not checked/)
    expect(code).toBe(0)
  })

  const lies: [string, (report: Report) => void][] = [
    ['ulp', (report) => Object.assign(part(report), { ulp: '2' })],
    ['element', (report) => Object.assign(part(report), { element: 1 })],
    ['bits', (report) => part(report).bits?.reverse()],
    ['healed', (report) => part(report).healed++],
    ['relativeL2', (report) => Object.assign(part(report).statistics ?? {}, { relativeL2: 1e-9 })],
    ['histogram', (report) => part(report).statistics?.histogram.pop()],
    ['count of a kind', (report) => recount(part(report).statistics)],
    ['kind of the first element', (report) => Object.assign(part(report), { kind: 'infinity' })],
    ['pattern', (report) => part(report).statistics?.patterns.push('permutation')],
    ['reason of no figure', (report) => Object.assign(part(report).statistics ?? {}, { notMeasured: { maxUlp: 'x' } })],
    ['state of a point', (report) => Object.assign(grown(report).growth[0]?.points.at(-1) ?? {}, { state: 'nan' })],
    ['final tensor', (report) => grown(report).outputs.pop()],
    ['element that varies', (report) => Object.assign(unsteady(report), { element: 3 })],
    ['number of varying elements', (report) => Object.assign(unsteady(report), { varying: 9 })],
    ['number of results', (report) => Object.assign(unsteady(report), { tensors: 9 })],
    ['unequal', (report) => Object.assign(part(report).statistics ?? {}, { unequal: 0 })],
    ['growth', (report) => Object.assign(grown(report).growth[0]?.points.at(-1) ?? {}, { maxUlp: '7' })],
    ['decisions', (report) => Object.assign(grown(report).decisions ?? {}, { churn: 0.5 })],
    ['distance from the reference', (report) => Object.assign(referred(report)?.statistics ?? {}, { maxUlp: '9' })],
    ['classes', (report) => report.comparisons[0]?.classes.reverse()],
    ['verdict', (report) => Object.assign(report.comparisons[0] ?? {}, { verdict: 'identical' })],
    ['digest', (report) => report.cells.forEach(({ outputs }) => outputs.forEach((output) => output.bits?.reverse()))],
  ]
  it.each(lies)('catches a wrong %s', async (_name, lie) => {
    const report = sampleReport()
    lie(report)
    const { status: code, stdout } = await verify(report)
    expect(stdout).toContain('the report says')
    expect(code).toBe(1)
  })
})

function part(report: Report) {
  const found = report.comparisons
    .flatMap(({ divergences }) => divergences)
    .find(({ statistics }) => statistics && statistics.elements > 1)
  if (!found) throw new Error('the sample has no divergence with statistics')
  return found
}

/** Takes one element from a kind, and calls it another. */
function recount(statistics: ElementComparison | null | undefined) {
  const [[kind, count] = []] = Object.entries(statistics?.kinds ?? {}) as [DifferenceKind, number][]
  if (!statistics || kind === undefined || count === undefined) throw new Error('no kind to count again')
  statistics.kinds = { ...statistics.kinds, [kind]: count - 1, 'subnormal-zero': 1 }
}

function unsteady(report: Report): SelfDifference {
  const found = report.comparisons.flatMap(({ nondeterministic }) => nondeterministic)[0]?.first
  if (!found) throw new Error('the sample has no cell that disagrees with itself')
  return found
}

function referred(report: Report) {
  return report.comparisons.flatMap(({ reference }) => reference?.distances ?? [])[0]
}

function grown(report: Report) {
  const found = report.comparisons
    .flatMap(({ divergences }) => divergences)
    .find(({ growth, decisions }) => growth.length > 0 && decisions)
  if (!found) throw new Error('the sample has no growth')
  return found
}
