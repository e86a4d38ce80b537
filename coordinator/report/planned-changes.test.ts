import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import { plannedChanges } from './planned-changes.ts'

const report = sampleReport()
const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
function changesOf(workload: string) {
  const comparison = report.comparisons.find((found) => found.workload === workload)
  if (!comparison) throw new Error(`the sample has no ${workload}`)
  return plannedChanges(comparison, cells)
}

describe('settings that the plan changed alone', () => {
  it('are told from machines that differ', () => {
    // On each of two machines the code path was changed: the bits of exp follow, those of sin part by machine only.
    expect(changesOf('elementary.exp')).toEqual([
      { setting: 'libm.hwcaps', pairs: 2, followed: 2, example: { classes: ['A', 'B'], values: [undefined, '-FMA'] } },
    ])
    expect(changesOf('elementary.sin')).toEqual([{ setting: 'libm.hwcaps', pairs: 2, followed: 0, example: undefined }])
  })

  it('count pairs of one machine whose bits differ', () => {
    // Six orders on two machines: 1.5 three times, two sums that agree, and one alone.
    const [orders] = changesOf('reduce.sum')
    expect(orders).toMatchObject({ setting: 'js.order', pairs: 2 * 15, followed: 2 * (15 - 3 - 1) })
  })

  it('are none where only backends differ', () => {
    expect(changesOf('nn.layernorm')).toEqual([])
  })
})
