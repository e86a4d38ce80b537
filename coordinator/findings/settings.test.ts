import { describe, expect, it } from 'vitest'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'

type Cell = readonly [backend: string, value: number, knobs?: Record<string, string>]

/** What is said of each setting; each cell runs six times with one value. */
async function textsOf(cells: readonly Cell[], executions = 6): Promise<string[]> {
  const run = createSyntheticRun([syntheticAgent('a')])
  for (const [backend, value, knobs = {}] of cells) {
    const execution = { checkpoints: [{ step: 0, name: 'y', tensor: f32([value], []), output: true }] }
    const effective = knobs
    run.add({
      workload: 'w',
      backend,
      knobs,
      effective,
      executions: Array.from({ length: executions }, () => execution),
    })
  }
  const { findings } = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
  return findings.settings.map(({ text }) => text)
}

describe('the text of a tested setting', () => {
  it('says which values share bits, and which share none', async () => {
    const cells: Cell[] = [
      ['js', 1, { order: 'a' }],
      ['js', 2, { order: 'b' }],
      ['tfjs-cpu', 3],
      ['tfjs-wasm', 1],
    ]
    expect(await textsOf(cells)).toEqual([
      'js.order was changed alone in 1 trial: the bits followed (a gives A, b gives B)',
      'backend was changed, each value under all its other settings, in 1 trial: the bits followed (js gives A or B, tfjs-wasm gives A: these share bits; tfjs-cpu gives C)',
    ])
  })

  it('says which values were left out, because they have several results', async () => {
    const cells: Cell[] = [
      ['js', 1, { order: 'a' }],
      ['js', 2, { order: 'b' }],
      ['tfjs-cpu', 1],
      ['tfjs-wasm', 2],
    ]
    expect((await textsOf(cells))[1]).toMatch(
      /: the bits followed \(tfjs-cpu gives A, tfjs-wasm gives B; js is left out, with results of several others\)$/,
    )
  })

  it('says that it cannot be told whether the bits follow, if all values share some bits', async () => {
    const cells: Cell[] = [
      ['openblas', 1, { threads: '1' }],
      ['openblas', 2, { threads: '2' }],
      ['blis', 2, { threads: '1' }],
      ['blis', 3, { threads: '2' }],
    ]
    expect((await textsOf(cells)).at(-1)).toBe(
      'backend was changed, each value under all its other settings, in 1 trial: whether the bits follow cannot be told (openblas gives A or B, blis gives B or C: these share bits)',
    )
  })

  it('marks what ran too few times', async () => {
    expect(
      await textsOf(
        [
          ['js', 1, { order: 'a' }],
          ['js', 2, { order: 'b' }],
        ],
        2,
      ),
    ).toEqual([
      'js.order was changed alone in 1 trial: the bits followed (a gives A, b gives B). This was seen, with too few executions to be claimed: the cells ran 2 times, a claim needs 3',
    ])
  })
})
