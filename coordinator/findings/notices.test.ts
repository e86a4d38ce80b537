import { expect, it } from 'vitest'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'

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
