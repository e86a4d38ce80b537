import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeNumpyScript } from '../../test/numpy-script.ts'
import { runPython, withoutNumpy } from '../../test/python.ts'
import { reportOfCells } from '../../test/report-of-cells.ts'
import { sampleReport, sampleRun } from '../../test/sample-report.ts'
import { hostileBits } from '../../test/hostile-bits.ts'
import { createSyntheticRun, f32, f64, syntheticAgent } from '../../test/synthetic-run.ts'
import { type DType, type Tensor, dtypes, tensorFromBits } from '../../shared/tensor.ts'
import { compareRun } from '../compare/compare-run.ts'
import type { Artifacts } from '../records.ts'
import { assembleReport } from './assemble.ts'
import { exportArtifacts, writeReport } from './files.ts'
import {
  type DifferenceKind,
  differenceKinds,
  type ElementComparison,
  type Report,
  type SelfDifference,
} from './format.ts'

const absent = withoutNumpy('docs/verify-with-numpy.md')

describe.skipIf(absent)('the script of docs/verify-with-numpy.md', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bitfleet-verify-'))
    await writeNumpyScript(join(dir, 'verify.py'))
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

  it('agrees on every pair of hostile patterns, and on figures that do not exist', async () => {
    const { report, artifacts } = await hostileReport()
    const counted = report.comparisons.flatMap(({ divergences }) =>
      divergences.flatMap(({ statistics }) => Object.keys(statistics?.kinds ?? {})),
    )
    expect(new Set(counted)).toEqual(new Set(differenceKinds))
    const out = join(dir, 'hostile')
    await exportArtifacts(report, artifacts, out, 'all')
    await writeReport(report, out, { formats: ['json'] })
    const { status: code, stdout, stderr } = runPython([join(dir, 'verify.py'), out, '--complete'])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^\d{3,} figures checked, 0 wrong, 0 not checked/)
    expect(code).toBe(0)
  })

  it('agrees with the verdict of a run whose cells differ from run to run as expected, also lucky ones', async () => {
    const cells = [
      [1, 2],
      [2, 1],
      [1, 1],
      [2, 2],
    ].map((gives, i) => ({ agent: `n${i}`, gives }))
    const report = await reportOfCells(cells, { rowRules: [{ workload: 'w', params: {}, expect: 'nondeterministic' }] })
    expect(report.verdict).toBe('identical')
    const out = join(dir, 'expected')
    await writeReport(report, out, { formats: ['json'] })
    expect(runPython([join(dir, 'verify.py'), out])).toMatchObject({ status: 0, stderr: '' })
    await writeReport({ ...report, verdict: 'divergent' }, out, { formats: ['json'] })
    expect(runPython([join(dir, 'verify.py'), out]).stdout).toContain('verdict: the report says')
  })

  it('catches one element of each kind that is counted as another', async () => {
    const { report } = await hostileReport()
    const rows: string[] = []
    report.comparisons.forEach(({ workload, divergences }, number) => {
      const statistics = divergences[0]?.statistics
      const kind = differenceKinds.find((name) => workload === `kind.${name}`)
      if (!statistics || kind === undefined) return
      expect(statistics.kinds).toEqual({ [kind]: 1 })
      statistics.kinds = { [kind === 'zero' ? 'larger' : 'zero']: 1 }
      rows.push(`${workload} #${number} A|B: kinds: the report says`)
    })
    expect(rows).toHaveLength(differenceKinds.length)
    const out = join(dir, 'hostile')
    await writeReport(report, out, { formats: ['json'] })
    const { status: code, stdout } = runPython([join(dir, 'verify.py'), out, '--complete'])
    for (const line of rows) expect(stdout).toContain(line)
    expect(code).toBe(1)
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

/** A row for each dtype, of every pair of hostile bit patterns; and rows whose figures do not exist. */
async function hostileReport(): Promise<{ report: Report; artifacts: Artifacts }> {
  const run = createSyntheticRun([syntheticAgent('a')])
  const row = (workload: string, a: readonly Tensor[], b: readonly Tensor[]) => {
    for (const [backend, tensors] of [
      ['x', a],
      ['y', b],
    ] as const) {
      const last = tensors.length - 1
      const checkpoints = tensors.map((tensor, step) => ({ step, name: 'y', tensor, output: step === last }))
      run.add({ workload, backend, executions: [{ checkpoints }] })
    }
  }
  for (const dtype of dtypes) {
    const bits = hostileBits[dtype]
    const pairs = bits.flatMap((p) => bits.map((q) => [p, q] as const))
    const side = (which: 0 | 1, count = pairs.length) =>
      tensorFromBits(
        dtype,
        [count],
        pairs.slice(0, count).map((pair) => pair[which]),
      )
    row(`hostile.${dtype}`, [side(0), side(0, 2)], [side(1), side(1, 2)])
  }
  const ofKind: Readonly<Record<DifferenceKind, readonly [DType, string, string]>> = {
    'nan-sign': ['f32', '7fc00000', 'ffc00000'],
    'nan-payload': ['f16', '7e00', '7e01'],
    'nan-number': ['bf16', '7fc0', '3f80'],
    'infinity-sign': ['f64', '7ff0000000000000', 'fff0000000000000'],
    infinity: ['f32', '7f800000', '3f800000'],
    'sign-of-zero': ['f16', '0000', '8000'],
    'subnormal-zero': ['bf16', '007f', '0000'],
    zero: ['f64', '0010000000000000', '0000000000000000'],
    rounding: ['f32', '3f800000', '3f800008'],
    saturation: ['i8', '80', '00'],
    larger: ['f32', '3f800000', '3f800009'],
    integer: ['u64', 'ffffffffffffffff', 'fffffffffffffffe'],
  }
  for (const [kind, [dtype, p, q]] of Object.entries(ofKind))
    row(`kind.${kind}`, [tensorFromBits(dtype, [], [p])], [tensorFromBits(dtype, [], [q])])
  const numbers = Array.from({ length: 200 }, (_, i) => Math.cos(i))
  const masked = (phase: number) => f32(numbers.map((value, i) => ((i + phase) % 4 === 0 ? 0 : value)))
  row('permutation', [f32(numbers)], [f32(numbers.toReversed())])
  row('mask', [masked(0)], [masked(1)])
  row('zeros on one side', [f32(numbers)], [masked(0)])
  row('infinite', [f64([5e-324, 1])], [f64([5e-324, 1e-320])])
  row('beyond', [f64([5e-324, 0])], [f64([1e-5, 3])])
  row('below', [f64([1e308, 5e-324])], [f64([1e308, 1e-323])])
  row('scaled', [f64([1e300, -1e-300])], [f64([-1.5e300, 1e300])])
  row('underflow', [f64([1e-200, 0])], [f64([1e-200, -0])])
  row('far', [f64([5e-324, 0])], [f64([1e308, 1e308])])
  row('nan', [f64([1, 2]), f64([1, 2])], [f64([1.5, 2]), f64([Number.NaN, Infinity])])
  row('shapes', [f32([1, 2, 3, 4], [2, 2]), f32([1])], [f32([1, 2, 3, 4]), f32([1])])
  const report = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet test')
  // What the definition says, whatever this coordinator measured.
  const far = report.comparisons.find(({ workload }) => workload === 'far')?.divergences[0]
  for (const statistics of [far?.statistics, far?.outputs[0]?.statistics]) {
    Object.assign(statistics ?? {}, { relativeL2: 'infinite', notMeasured: {} })
  }
  return { report, artifacts: run.artifacts }
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
