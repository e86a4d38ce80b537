import { describe, expect, it } from 'vitest'
import { compareRun } from '../compare/compare-run.ts'
import { createSyntheticRun, f32, type SyntheticCell, syntheticAgent } from '../../test/synthetic-run.ts'
import { assembleReport } from './assemble.ts'
import { collectNotices } from './notices.ts'

async function noticesOf(...cells: SyntheticCell[]) {
  const run = createSyntheticRun([syntheticAgent('a')])
  for (const cell of cells) run.add(cell)
  const comparisons = await compareRun(run.data(), run.artifacts)
  return collectNotices(assembleReport(run.data(), comparisons, 'bitfleet 0'))
}

const lacking = (backend: string, reason: string, workload = 'reduce.sum'): SyntheticCell => ({
  ...{ workload, backend },
  executions: [{ outcome: { status: 'unsupported', reason } }],
})

describe('what must be known', () => {
  it('says once what several backends lack, and names each', async () => {
    const notices = await noticesOf(
      lacking('libm', 'libm has no kernel sum'),
      lacking('openblas', 'openblas has no kernel sum'),
      lacking('numpy@2.3.5', 'numpy has no automatic differentiation, which train.cnn needs', 'train.cnn'),
      lacking('numpy@1.26.4', 'numpy has no automatic differentiation, which train.cnn needs', 'train.cnn'),
      lacking('blis', 'there is no such agent'),
    )
    expect(notices.map(({ kind, subject, message, cells }) => [kind, subject, message, cells])).toEqual([
      ['unsupported', 'libm, openblas', 'has no kernel sum', 2],
      ['unsupported', 'numpy@2.3.5, numpy@1.26.4', 'has no automatic differentiation, which train.cnn needs', 2],
      ['unsupported', 'blis', 'there is no such agent', 1],
    ])
  })

  it('names a knob without effect as plans do, and what is no knob by itself', async () => {
    const cell = (backend: string, kind: 'no-effect' | 'warning', subject: string): SyntheticCell => ({
      ...{ workload: 'w', backend, knobs: { threads: 2 } },
      executions: [
        {
          checkpoints: [{ step: 0, name: 'y', tensor: f32([1]), output: true }],
          notes: [{ kind, subject, message: 'nothing came of it' }],
        },
      ],
    })
    const notices = await noticesOf(
      cell('jax@0.6.2', 'no-effect', 'threads'),
      cell('jax@0.4.38', 'no-effect', 'threads'),
      cell('numpy@2.3.5', 'warning', 'threads'),
      cell('blis', 'no-effect', 'archType'),
    )
    expect(notices.map(({ subject, cells }) => [subject, cells])).toEqual([
      ['jax.threads', 2],
      ['archType', 1],
      ['threads', 1],
    ])
  })
})
