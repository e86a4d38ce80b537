import { describe, expect, it } from 'vitest'
import { createSyntheticRun, f32, type SyntheticCell, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'
import type { Report } from '../report/format.ts'

interface CellSketch extends Partial<SyntheticCell> {
  /** The result of each execution, or the one of all. */
  readonly value: number | readonly number[]
  /** Executions of a cell with one value. */
  readonly times?: number
}

/** @param agents names and facts; their ids are k0, k1, … */
async function reportOf(
  agents: readonly (readonly [name: string, facts?: Record<string, string>])[],
  cells: readonly CellSketch[],
): Promise<Report> {
  const run = createSyntheticRun(agents.map(([name, facts], i) => syntheticAgent(`k${i}`, facts, name)))
  for (const { value, times = 2, ...cell } of cells) {
    const values = typeof value === 'number' ? new Array<number>(times).fill(value) : value
    const executions = values.map((one) => ({
      checkpoints: [{ step: 0, name: 'y', tensor: f32([one], []), output: true }],
    }))
    run.add({ workload: 'w', backend: 'js', ...cell, executions })
  }
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
}

const textsOf = ({ findings }: Report, of: 'cells' | 'machines') =>
  findings.causes.filter((cause) => cause.of === of).map(({ text }) => text)

describe('over the cells', () => {
  const wasm = (variant: string, value: number | readonly number[], more: Partial<CellSketch> = {}): CellSketch => ({
    ...{ backend: 'tfjs-wasm', agent: 'k1', knobs: { variant }, effective: { variant }, value },
    ...more,
  })
  const cpu: CellSketch = { backend: 'tfjs-cpu', value: 1 }

  it('an observation says of which class no cell has a fact that is named', async () => {
    const report = await reportOf([['a'], ['b']], [cpu, wasm('plain', 2), wasm('simd', 3)])
    // The knob as it was read back is the same thing as the knob: nobody has to tell the two apart.
    expect(textsOf(report, 'cells')).toEqual([
      'over the cells, the bits go along with knob.tfjs-wasm.variant; cells of A have no knob.tfjs-wasm.variant; this alone shows no cause',
    ])
    expect(report.findings.causes[0]?.facts).toEqual([['knob.tfjs-wasm.variant', 'knob.tfjs-wasm.effective.variant']])
  })

  it('an observation is of cells whose conditions agree with themselves', async () => {
    const cells = [cpu, wasm('plain', 2), wasm('simd', 3), wasm('threads', [4, 5])]
    const other = [cpu, wasm('plain', 2), wasm('simd', 3), wasm('threads', 6)].map((cell) => ({ ...cell, seed: '43' }))
    const [, text] = textsOf(await reportOf([['a'], ['b']], [...cells, ...other]), 'cells')
    expect(text).toMatch(
      /^over the cells whose conditions agree with themselves, the bits go along with knob\.tfjs-wasm\.variant/,
    )
  })

  it('an observation is left out if tested settings account for all, claimed or only seen', async () => {
    const here = { backend: 'tfjs-wasm', agent: 'k0' }
    for (const times of [2, 9]) {
      const cells = [wasm('plain', 2, { ...here, times }), wasm('simd', 3, { ...here, times })]
      const { findings } = await reportOf([['a']], cells)
      expect(findings.settings.map(({ strength }) => strength)).toEqual([times === 2 ? 'seen' : 'claimed'])
      expect(findings.causes).toEqual([])
      // Only claimed settings leave nothing open in the sentence.
      expect(findings.sentence).toContain(times === 2 ? 'seen with' : 'by tfjs-wasm.variant')
    }
  })

  it('nothing is said if no two cells have equal facts', async () => {
    const knobs = (a: string, b: string) => ({ a, b })
    const xor = [
      { knobs: knobs('1', '1'), value: 1 },
      { knobs: knobs('1', '2'), value: 2, agent: 'k1' },
      { knobs: knobs('2', '1'), value: 2, agent: 'k2' },
      { knobs: knobs('2', '2'), value: 1, agent: 'k3' },
    ]
    expect(textsOf(await reportOf([['a'], ['b'], ['c'], ['d']], xor), 'cells')).toEqual([])
    // Another cell with the facts of the first says that these give its bits again.
    const again = [...xor, { knobs: knobs('1', '1'), value: 1, agent: 'k4' }]
    expect(textsOf(await reportOf([['a'], ['b'], ['c'], ['d'], ['e']], again), 'cells')[0]).toContain(
      'equal facts always gave equal bits, and some different facts did, too',
    )
  })
})

describe('over machines', () => {
  const fleet = (size: number, factsOf: (i: number) => Record<string, string>) =>
    reportOf(
      Array.from({ length: size }, (_, i) => [`n${i}`, factsOf(i)] as const),
      Array.from({ length: size }, (_, i) => ({ agent: `k${i}`, value: i % 2 })),
    )

  it('classes have the letters of the table of machines', async () => {
    const report = await reportOf([['m2'], ['m10']], [{ value: 1 }, { agent: 'k1', value: 2 }])
    const { machines, causes } = report.findings
    expect(machines.machines.map(({ name }, i) => [name, machines.rows[0]?.letters[i]])).toEqual([
      ['m2', 'A'],
      ['m10', 'B'],
    ])
    expect(causes[0]?.text).toContain('m2 (class A) and m10 (class B) have equal facts')
  })

  it('rules have these letters, too', async () => {
    const flags = (i: number) => ({ 'cpu.flags.a': i < 2 ? 'yes' : 'no', 'cpu.flags.b': i % 2 ? 'yes' : 'no' })
    const report = await reportOf(
      ['m2', 'm3', 'm10', 'm11'].map((name, i) => [name, flags(i)] as const),
      [1, 2, 2, 1].map((value, i) => ({ agent: `k${i}`, value })),
    )
    expect(report.findings.machines.rows[0]?.letters).toEqual(['A', 'B', 'B', 'A'])
    const rules = textsOf(report, 'machines').find((text) => text.startsWith('shortest rules found'))
    // Rules that hold: equal flags are A, others are not.
    expect(rules).toContain(
      'if cpu.flags.a = no and cpu.flags.b = no then B; else if cpu.flags.a = yes and cpu.flags.b = yes then B; else A',
    )
  })

  it('no two have one name in the texts', async () => {
    const report = await reportOf(
      [['x'], ['x'], ['x (k0)'], ['x (k0)/gpu0']],
      [0, 1, 2, 3].map((i) => ({ agent: `k${i}`, value: i === 2 ? 2 : 1 })),
    )
    expect(textsOf(report, 'machines')[0]).toContain('x (k0) (class A) and x (k0) (k2) (class B) have equal facts')
  })

  it('a headline names its pairs of twins, and what they may differ in', async () => {
    const report = await fleet(16, (i) => ({
      'lib.blas.version': i % 2 ? '5' : '4',
      'lib.blas.build': `b${i % 5}`,
      'board.revision': `r${i}`,
    }))
    expect(report.findings.causes[0]).toMatchObject({ headlined: true })
    expect(report.findings.causes[0]?.text).toContain(
      'twins: (n0, n1) and (n2, n3); the two machines of a pair differ in no other fact outside its family, apart from facts with more than 8 values',
    )
  })

  it('a headline names every fact that explains as well', async () => {
    const report = await fleet(16, (i) => ({
      'lib.blas.version': i % 2 ? '1' : i % 4 ? '2' : '3',
      'lib.blas.build': i % 2 ? (i % 8 < 4 ? 'x' : 'w') : i % 8 < 4 ? 'y' : 'z',
    }))
    expect(report.findings.causes[0]).toMatchObject({ headlined: true, rivals: ['lib.blas.build'] })
    expect(report.findings.causes[0]?.text).toMatch(/; lib\.blas\.build explains the bits as well$/)
    expect(report.findings.sentence).toMatch(/w by lib\.blas\.version or lib\.blas\.build$/)
  })

  it('a fact that one side lacks is not named as the cause', async () => {
    const report = await fleet(16, (i): Record<string, string> => (i % 2 ? { 'gpu.driver.build': '5' } : {}))
    expect(report.findings.causes[0]).toMatchObject({
      facts: [['gpu.driver.build']],
      headlined: false,
      reasons: ['8 machines have no gpu.driver.build, so whether it changed is not known'],
    })
    expect(report.findings.sentence).toMatch(/1 differs: w$/)
  })
})
