import { describe, expect, it } from 'vitest'
import { createSyntheticRun, f32, type SyntheticExecution, syntheticAgent } from '../../test/synthetic-run.ts'
import { cellOutcomes } from './cells.ts'

const made = (value: number, more: Partial<SyntheticExecution> = {}): SyntheticExecution => ({
  checkpoints: [{ step: 0, name: 'y', tensor: f32([value], []), output: true }],
  ...more,
})

function outcomeOf(executions: readonly SyntheticExecution[]) {
  const run = createSyntheticRun([syntheticAgent('a')])
  run.add({ workload: 'w', backend: 'libm', executions })
  return cellOutcomes(run.data())[0]
}

describe('executions under other conditions than the first', () => {
  const tuned = { GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA' }

  it('are no repetitions: a variable that came or went in between is said, and not called chance', () => {
    const found = outcomeOf([made(1, { ambient: {} }), made(2, { ambient: tuned }), made(1, { ambient: {} })])
    expect(found?.completed.map(({ repetition }) => repetition)).toEqual([0, 2])
    expect(found?.ending).toMatchObject({
      ...{ status: 'failed', code: 'conflict' },
      message: 'it ran under other conditions than the first: GLIBC_TUNABLES was not set, then glibc.cpu.hwcaps=-FMA',
    })
  })

  it('are those of another version, too', () => {
    const found = outcomeOf([made(1), made(1, { version: '2.0.0' })])
    expect(found?.completed).toHaveLength(1)
    expect(found?.ending).toMatchObject({ message: expect.stringContaining('the version was 1.0.0, then 2.0.0') })
  })

  it('are none where only a fact changed, which may be the cause', () => {
    const found = outcomeOf([made(1, { facts: { 'cpu.affinity': '0' } }), made(2, { facts: { 'cpu.affinity': '1' } })])
    expect(found?.completed).toHaveLength(2)
    expect(found?.varying).toEqual({ 'cpu.affinity': ['0', '1'] })
  })
})
