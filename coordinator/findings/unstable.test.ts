import { describe, expect, it } from 'vitest'
import { runOfCells } from '../../test/report-of-cells.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import type { Artifacts, RunData } from '../records.ts'
import { assembleReport } from '../report/assemble.ts'

/** Cells of one agent, each with the values of its executions. */
type Cells = readonly (readonly [seed: string, dummy: number, values: readonly number[]])[]

async function reportOf(cells: Cells) {
  const run = createSyntheticRun([syntheticAgent('a')])
  for (const [seed, dummy, values] of cells) {
    const executions = values.map((value) => ({
      checkpoints: [{ step: 0, name: 'y', tensor: f32([value], []), output: true }],
    }))
    run.add({ workload: 'w', seed, backend: 'coin', knobs: { dummy }, effective: { dummy: String(dummy) }, executions })
  }
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
}

const repeated = (value: number, count: number) => Array.from({ length: count }, () => value)

describe('conditions that disagree with themselves somewhere', () => {
  it('explain nothing anywhere, and are no twins', async () => {
    const { findings, comparisons } = await reportOf([
      ['1', 1, [1, 2]],
      ['1', 2, [1, 1]],
      ['1', 3, [2, 2]],
      ['2', 1, [1, 1]],
      ['2', 2, [1, 2]],
      ['2', 3, [2, 1]],
    ])
    expect(comparisons.map(({ classes }) => classes.length)).toEqual([2, 1])
    expect(comparisons.map(({ explanations }) => explanations)).toEqual([[], []])
    expect(findings.causes).toMatchObject([{ facts: [], headlined: false, chance: null }])
    expect(findings.self.map(({ twin }) => twin)).toEqual([undefined, undefined, undefined])
    // The classes of the first row are no second difference.
    expect(findings.sentence).toMatch(/on 1 machine; 2 differ from run to run: w \(2 seeds\)$/)
  })

  it('leave the evidence of the others, which is said to be of them', async () => {
    const { findings, comparisons } = await reportOf([
      ['1', 1, [1, 1, 1, 1]],
      ['1', 2, [2, 2, 2, 2]],
      ['1', 3, [3, 3, 3, 3]],
      ['2', 1, [1, 1, 1, 1]],
      ['2', 2, [2, 2, 2, 2]],
      ['2', 3, [3, 3, 4, 3]],
    ])
    expect(comparisons[0]?.explanations[0]?.values).toEqual({
      A: [{ 'knob.coin.dummy': '1' }],
      B: [{ 'knob.coin.dummy': '2' }],
    })
    // The setting is claimed, and accounts for all that differs: the observation would say less.
    expect(findings.causes).toEqual([])
    // Two of the second row's classes are evidence: it differs, and differs from run to run.
    expect(findings.sentence).toContain('2 differ: w by coin.dummy')
    expect(findings.sentence).toContain('1 differs from run to run: w')
  })
})

describe('where the executions of a cell differ', () => {
  const gives = [
    [1, 2],
    [1, 1],
  ].map((own, i) => ({ agent: `n${i}`, gives: own }))
  const textOf = async (data: RunData, artifacts: Artifacts) =>
    assembleReport(data, await compareRun(data, artifacts), 'bitfleet 0').findings.self[0]?.text

  it('is not known for the reason that holds', async () => {
    const run = runOfCells(gives)
    expect(await textOf(run.data(), run.artifacts)).toMatch(/; they first differ at checkpoint 0 y/)
    const forgetful: Artifacts = { ...run.artifacts, trace: () => Promise.resolve(undefined) }
    expect(await textOf(run.data(), forgetful)).toMatch(
      /; where they differ is not known: the traces of its executions were not kept$/,
    )
    const failing: Artifacts = { ...run.artifacts, trace: () => Promise.reject(new Error('disk')) }
    expect(await textOf(run.data(), failing)).toMatch(/; where they differ is not known: the comparison failed$/)
  })
})

describe('a twin', () => {
  it('is marked if its equal executions can be luck, and only then', async () => {
    const few = await reportOf([
      ['1', 1, [1, 2]],
      ['1', 2, [1, 1]],
    ])
    expect(few.findings.self[0]?.twin).toMatchObject({ differences: ['coin.dummy (1, 2)'] })
    expect(few.findings.self[0]?.twin?.text).toMatch(
      /in 2 executions; as asked for, the two differ only in coin\.dummy \(1, 2\)\. Too few executions to say that it repeats/,
    )
    // All four rarer results of twenty fall to the first eight by chance in C(8, 4) of C(20, 4) cases: 1.4 %.
    const halves = [1, 2, 1, 2, 1, 2, 1, 2]
    const many = await reportOf([
      ['1', 1, halves],
      ['1', 2, repeated(1, 12)],
    ])
    expect(many.findings.self[0]?.twin?.text).toMatch(
      /in 12 executions; as asked for, the two differ only in coin\.dummy \(1, 2\)$/,
    )
    // In C(8, 4) of C(17, 4): 2.9 %. That is enough of one, and not of two that disagree with themselves.
    const nine = ['1', 2, repeated(1, 9)] as const
    expect((await reportOf([['1', 1, halves], nine])).findings.self[0]?.twin?.text).not.toContain('Too few')
    const two = await reportOf([['1', 1, halves], nine, ['1', 3, halves]])
    expect(two.findings.self.map(({ twin }) => twin?.text.includes('Too few'))).toEqual([true, true])
  })
})
