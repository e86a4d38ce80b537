import { expect, it } from 'vitest'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { explainReport } from '../commands/explain.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'

it('says of which row and which plan a notice is', async () => {
  const run = createSyntheticRun([syntheticAgent('a')])
  for (const n of [16, 17]) {
    const executions = [{ outcome: { status: 'timed-out' as const, limitMs: 1, stderr: '' } }]
    run.add({ workload: 'reduce.sum', params: { n }, backend: 'js', executions })
  }
  const data = run.data()
  const noted = { ...data, run: { ...data.run, name: 'orders', planNotes: ['what it notes'] } }
  const { findings } = assembleReport(noted, await compareRun(noted, run.artifacts), 'bitfleet 0')
  expect(findings.notices.map(({ heading, subject }) => `${heading}: ${subject}`)).toEqual([
    'No result: reduce.sum n=16 under js',
    'No result: reduce.sum n=17 under js',
    'Plan: orders',
  ])
})

it('says of a row that was to differ that it does so as expected, also when it is explained', async () => {
  const run = createSyntheticRun([syntheticAgent('a')])
  const executions = [1, 2].map((value) => ({ checkpoints: [{ step: 0, name: 'y', tensor: f32([value]) }] }))
  run.add({ workload: 'w', backend: 'js', executions })
  const data = run.data()
  const [cell] = data.cells
  const rules = [{ workload: 'w', params: cell?.params ?? {}, absent: undefined, expect: 'nondeterministic' as const }]
  const ruled = { ...data, run: { ...data.run, rowRules: rules } }
  const report = assembleReport(ruled, await compareRun(ruled, run.artifacts), 'bitfleet 0')
  expect(explainReport(report, { json: false })).toMatch(/^w.*: nondeterministic, as expected$/m)
})
