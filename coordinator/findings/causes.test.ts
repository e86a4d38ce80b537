import { expect, it } from 'vitest'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'

it('says of which class no cell has a fact that is named', async () => {
  const run = createSyntheticRun([syntheticAgent('a')])
  const add = (backend: string, value: number, knobs: Record<string, string> = {}) => {
    const execution = { checkpoints: [{ step: 0, name: 'y', tensor: f32([value], []), output: true }] }
    run.add({ workload: 'w', backend, knobs, executions: [execution, execution] })
  }
  add('tfjs-cpu', 1)
  add('tfjs-wasm', 2, { variant: 'plain' })
  add('tfjs-wasm', 3, { variant: 'simd' })
  const { findings } = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
  expect(findings.causes.map(({ text }) => text)).toEqual([
    'over the cells, the bits go along with knob.tfjs-wasm.variant; cells of A have no knob.tfjs-wasm.variant; this alone shows no cause',
  ])
})
