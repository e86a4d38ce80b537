import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import { createSyntheticRun, f32, type SyntheticExecution, syntheticAgent } from '../../test/synthetic-run.ts'
import type { Tensor } from '../../shared/tensor.ts'
import { selfNote } from '../commands/compare.ts'
import { assembleReport } from '../report/assemble.ts'
import type { Report } from '../report/format.ts'
import { compareRun } from './compare-run.ts'
import { diffExitCode, diffReports, renderReportDiff } from './run-diff.ts'

type Cells = Record<string, { value: number | 'crash' | 'race' | 'unsupported'; facts?: Record<string, string> }>

/** A run of one workload on one agent whose backends gave these values, under an id of its own. */
async function reportOf(agentId: string, cells: Cells, agentFacts: Record<string, string> = {}): Promise<Report> {
  const run = createSyntheticRun([syntheticAgent(agentId, agentFacts, 'local')])
  const completed = (value: number, facts = {}): SyntheticExecution => ({
    checkpoints: [{ step: 0, name: 'y', tensor: f32([value]), output: true }],
    facts,
  })
  for (const [backend, { value, facts }] of Object.entries(cells)) {
    const executions: SyntheticExecution[] =
      value === 'crash'
        ? [{ outcome: { status: 'crashed', signal: 'SIGKILL', stderr: '' } }]
        : value === 'unsupported'
          ? [{ outcome: { status: 'unsupported', reason: 'no kernel' } }]
          : value === 'race'
            ? [completed(1, facts), completed(2, facts)]
            : [completed(value, facts), completed(value, facts)]
    run.add({ workload: 'train.mlp', params: { epochs: 1 }, backend, executions })
  }
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
}

describe('diffReports', () => {
  it('finds a run equal to itself', () => {
    const report = sampleReport()
    const diff = diffReports(report, sampleReport())
    expect(diff.unmatched).toEqual([[], []])
    expect(diff.facts).toEqual([])
    expect(diff.counts.different).toBe(0)
  })

  it('shows the affinity as a differing fact where one run was under taskset, by what became of the cells', async () => {
    const cells = (affinity: string, other: number): Cells => ({
      js: { value: 1, facts: { 'cpu.affinity': affinity } },
      tensorflow: { value: other, facts: { 'cpu.affinity': affinity } },
    })
    const [free, pinned] = [await reportOf('a1', cells('0-1', 2)), await reportOf('b2', cells('0', 3))]
    const diff = diffReports(free, pinned)
    expect(diff).toMatchObject({ result: 'different', counts: { equal: 1, different: 1 }, unmatched: [[], []] })
    expect(diff.facts).toEqual([
      {
        fact: 'cpu.affinity',
        values: ['0-1', '0'],
        pairs: { equal: 1, different: 1, nondeterministic: 0, unsupported: 0, incomplete: 0 },
      },
    ])
    expect(diffExitCode(diff)).toBe(1)
    const text = renderReportDiff(diff)
    expect(text).toContain('  different: train.mlp epochs=1 seed=42, tensorflow\n    y[0]: 40000000 against 40400000\n')
    expect(text).toContain('  cpu.affinity: 0-1 against 0 (cells: 1 equal, 1 different)')
  })

  it('shows facts of the machines, and does not call changed what only one side has', async () => {
    const diff = diffReports(
      await reportOf('a', { js: { value: 1 } }, { 'vm.kind': 'kvm' }),
      await reportOf('b', { js: { value: 1 } }, { kernel: '6.2.0' }),
    )
    expect(diff).toMatchObject({
      result: 'identical',
      facts: [{ fact: 'kernel', values: ['6.1.0', '6.2.0'] }],
      recordedOnlyIn: [[{ fact: 'vm.kind', value: 'kvm', pairs: { equal: 1 } }], []],
    })
    const text = renderReportDiff(diff)
    expect(text).toContain('  kernel: 6.1.0 against 6.2.0 (cells: 1 equal)\n')
    expect(text).toContain(
      'Recorded only in the first; whether it changed is not known:\n  vm.kind: kvm (cells: 1 equal)\n',
    )
    expect(text).not.toMatch(/missing|vm\.kind: kvm against/)
    expect(diffExitCode(diff)).toBe(0)
  })

  it('calls what did not complete or has no partner incomplete, and what races nondeterministic', async () => {
    const whole = await reportOf('a', { js: { value: 1 }, libm: { value: 1 } })
    expect(diffReports(whole, await reportOf('a', { js: { value: 1 }, libm: { value: 'crash' } }))).toMatchObject({
      result: 'incomplete',
      counts: { incomplete: 1 },
    })
    const lacking = diffReports(whole, await reportOf('a', { js: { value: 1 } }))
    expect(lacking.unmatched.map(({ length }) => length)).toEqual([1, 0])
    expect(diffExitCode(lacking)).toBe(3)
    const racing = diffReports(whole, await reportOf('a', { js: { value: 'race' }, libm: { value: 1 } }))
    expect(racing).toMatchObject({ result: 'different', counts: { nondeterministic: 1, equal: 1 } })
    expect(racing.pairs[0]?.selfDifferences).toMatchObject([null, { element: 0, bits: ['3f800000', '40000000'] }])
    expect(renderReportDiff(racing)).toContain(
      '    the second differs from itself: checkpoint 0 y (step 0, f32[1]), element [0]: 2 different values, 3f800000, 40000000\n',
    )
    const report = await reportOf('a', { js: { value: 'race' }, libm: { value: 1 } })
    const [js, libm] = report.cells.map(({ id }) => selfNote(report, id))
    expect(js).toMatch(/^cell c-\w+ disagrees with itself, with 2 different results in 2 executions: checkpoint 0 y /)
    expect(libm).toBeUndefined()
  })

  it('leaves out what neither side supports', async () => {
    const [known, other] = [{ js: { value: 1 } }, { libm: { value: 'unsupported' } }] as const
    const both = diffReports(await reportOf('a', { ...known, ...other }), await reportOf('b', { ...known, ...other }))
    expect(both).toMatchObject({ result: 'identical', counts: { equal: 1, unsupported: 1 } })
    const one = diffReports(
      await reportOf('a', { ...known, ...other }),
      await reportOf('b', { js: { value: 1 }, libm: { value: 2 } }),
    )
    expect(one).toMatchObject({ result: 'incomplete', counts: { equal: 1, incomplete: 1 } })
    expect(diffReports(await reportOf('a', other), await reportOf('b', other)).result).toBe('nothing compared')
  })

  it('takes equal bytes of another shape or dtype for different, and says so', async () => {
    const of = async (tensor: Tensor) => {
      const run = createSyntheticRun([syntheticAgent('a')])
      const checkpoints = [{ step: 0, name: 'y', tensor, output: true }]
      run.add({ workload: 'w', backend: 'js', executions: [{ checkpoints }] })
      return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
    }
    const square = f32([1, 2, 3, 4], [2, 2])
    const diff = diffReports(await of(square), await of({ ...square, shape: [4] }))
    expect(diff.pairs).toMatchObject([
      { result: 'different', outputs: [{ name: 'y', types: ['f32[2, 2]', 'f32[4]'] }] },
    ])
    expect(renderReportDiff(diff)).toContain('    y: f32[2, 2] against f32[4] (the same bytes)\n')
  })

  it('does not call a fact unrecorded that varied between the executions', async () => {
    const of = async (...seen: readonly (string | undefined)[]) => {
      const run = createSyntheticRun([syntheticAgent('a')])
      const executions = seen.map((core) => ({
        checkpoints: [{ step: 0, name: 'y', tensor: f32([1], []), output: true }],
        facts: (core === undefined ? {} : { 'lib.blas.core': core }) as Record<string, string>,
      }))
      run.add({ workload: 'w', backend: 'js', executions })
      return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
    }
    const steady = await of('Haswell', 'Haswell')
    const diff = diffReports(steady, await of('Zen', 'Haswell'))
    expect(diff.recordedOnlyIn).toEqual([[], []])
    expect(diff.facts).toMatchObject([{ fact: 'lib.blas.core', values: ['Haswell', 'Haswell or Zen'] }])
    // Recorded in some executions, and equal there.
    const partly = diffReports(steady, await of(undefined, 'Haswell'))
    expect([partly.facts, partly.recordedOnlyIn]).toEqual([[], [[], []]])
    expect(diffReports(steady, await of(undefined, 'Zen')).facts).toMatchObject([{ values: ['Haswell', 'Zen'] }])
  })

  it('compares what completed of cells that are unsupported in part', async () => {
    const of = async (value: number) => {
      const run = createSyntheticRun([syntheticAgent('a')])
      const completed = { checkpoints: [{ step: 0, name: 'y', tensor: f32([value], []), output: true }] }
      const lacking = { outcome: { status: 'unsupported', reason: 'no kernel' } } as const
      run.add({ workload: 'w', backend: 'js', executions: [completed, lacking] })
      return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
    }
    const diff = diffReports(await of(1), await of(2))
    expect(diff).toMatchObject({ result: 'different', counts: { different: 1, unsupported: 0 } })
    expect(diffExitCode(diff)).toBe(1)
    expect(diffReports(await of(1), await of(1)).counts).toMatchObject({ equal: 1, unsupported: 0 })
  })

  it('does not take two runs without a cell in common for equal', async () => {
    const diff = diffReports(await reportOf('a', { js: { value: 1 } }), await reportOf('a', { libm: { value: 1 } }))
    expect(diff.result).toBe('nothing compared')
    expect(renderReportDiff(diff)).toContain('No two cells could be paired, so no facts were compared.\n')
  })
})
