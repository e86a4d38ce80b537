import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'
import { type ExplainedGroup, explainReport, explainTableGroups } from './explain.ts'

const report = sampleReport()
const { groups } = JSON.parse(explainReport(report, { json: true })) as { groups: ExplainedGroup[] }

describe('explain --json', () => {
  it('has one group for each comparison, with what FORMATS asks for', () => {
    expect(groups).toHaveLength(report.comparisons.length)
    expect(groups[0]).toMatchObject({
      by: { workload: 'reduce.sum', version: '1', params: '{"dtype":"f32","n":64}', seed: '42' },
      units: 12,
      nondeterministic: [],
      explanations: [
        {
          facts: ['knob.js.order'],
          equal: false,
          inseparable: { 'knob.js.order': ['knob.js.effective.order'] },
          rivals: 0,
        },
      ],
      tree: [
        { if: [{ fact: 'knob.js.order', op: '=', value: 'lanes:8' }], class: 'C' },
        { if: [{ fact: 'knob.js.order', op: '=', value: 'pairwise' }], class: 'C' },
        { if: [{ fact: 'knob.js.order', op: '=', value: 'reverse' }], class: 'B' },
        { if: [], class: 'A' },
      ],
    })
    expect(groups[0]?.classes.map(({ length }) => length)).toEqual([6, 2, 4])
  })

  it('names cells that disagreed with themselves, which explain nothing', () => {
    const race = groups[1] as ExplainedGroup
    expect(race).toMatchObject({ units: 0, classes: [], explanations: [], tree: [] })
    expect(race.nondeterministic).toHaveLength(1)
  })
})

describe('explain', () => {
  const text = explainReport(report, { json: false })

  it('tells which machines where machines part, and what cannot be told apart', () => {
    expect(text).toContain('A  libm on rack-1; libm hwcaps=-FMA (override) on rack-1')
    expect(text).toMatch(/Here backend\.version cannot be told from .*cpu\.brand/)
    // A setting and what was read back of it are one thing.
    expect(text).not.toContain('Here knob.js.order cannot be told')
  })

  it('does not blame arithmetic where inputs differ', () => {
    expect(text).toMatch(/nn\.softmax[^]*The inputs differ between the classes: this compares inputs, not arithmetic\./)
  })

  it('leaves no control character of anybody’s text', () => {
    const hostile = sampleReport()
    Object.assign(hostile.agents[0] as object, { name: 'a\u001b[31m\nb' })
    // biome-ignore lint: control characters are the subject
    expect(explainReport(hostile, { json: false })).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
  })
})

describe('machines', () => {
  it('are one hypothesis for all workloads that part them alike, and have the letters of the report', async () => {
    const agents = Array.from({ length: 8 }, (_, i) =>
      syntheticAgent(`a${i}`, { 'lib.blas.version': String(i % 2) }, `node${8 - i}`),
    )
    const run = createSyntheticRun(agents)
    for (const workload of ['w1', 'w2', 'w3']) {
      agents.forEach(({ id }, i) => {
        const tensor = f32([workload === 'w3' ? Number(i < 4) : i % 2], [])
        const execution = { checkpoints: [{ step: 0, name: 'y', tensor, output: true }] }
        run.add({ agent: id, workload, backend: 'js', executions: [execution, execution] })
      })
    }
    const found = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet')
    const [first, second, third] = (JSON.parse(explainReport(found, { json: true })) as { groups: ExplainedGroup[] })
      .groups
    for (const one of [first, second]) {
      expect(one?.explanations[0]).toMatchObject({ facts: ['lib.blas.version'], chance: 1 / 35, adjusted: 2 / 35 })
    }
    expect(found.findings.causes[0]?.chance).toBe(2 / 35)
    // In the report's letters, which follow the plan; the ids of cells do not.
    expect(first?.classes).toEqual(found.comparisons[0]?.classes.map(({ cells }) => cells))
    expect(first?.tree).toMatchObject([{ if: [{ value: '0' }], class: 'A' }, { class: 'B' }])
    const names = found.cells.map(({ id }) => id)
    const said = [...(third?.unexplained ?? '').matchAll(/(c-\w+) \(class (\w)\)/g)]
    expect(said).toHaveLength(2)
    for (const [, id = '', letter] of said) {
      expect(names).toContain(id)
      expect(found.comparisons[2]?.classes.find(({ cells }) => cells.includes(id))?.letter).toBe(letter)
    }
  })

  /** A report of one workload under one condition on agents of which the last k have another library. */
  async function fleet(n: number, k: number, conditions = 1) {
    const agents = Array.from({ length: n }, (_, i) =>
      syntheticAgent(`a${i}`, { 'lib.blas.version': i < n - k ? '1' : '2' }, `node${i}`),
    )
    const run = createSyntheticRun(agents)
    agents.forEach(({ id }, i) => {
      for (let c = 0; c < conditions; c++) {
        const checkpoints = [{ step: 0, name: 'y', tensor: f32([i < n - k ? 1 : 2]), output: true }]
        const executions = [{ checkpoints }, { checkpoints }]
        run.add({ agent: id, workload: 'reduce.sum', params: {}, backend: 'js', knobs: { jit: c }, executions })
      }
    })
    return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
  }
  const explained = async (n: number, k: number, conditions?: number) => {
    const told = JSON.parse(explainReport(await fleet(n, k, conditions), { json: true })) as {
      groups: ExplainedGroup[]
    }
    return told.groups[0] as ExplainedGroup
  }

  it('have a chance, and a headline if twins show the cause', async () => {
    expect(await explained(8, 4)).toMatchObject({
      units: 8,
      explanations: [{ facts: ['lib.blas.version'], chance: 1 / 35, adjusted: 1 / 35, headlined: true }],
      tree: [{ if: [{ fact: 'lib.blas.version' }] }, { if: [] }],
      treeChance: { chance: 1 / 35 },
    })
  })

  it('have no figure if there are too few of them, and the reason is told', async () => {
    const { explanations } = await explained(2, 1)
    expect(explanations).toMatchObject([{ chance: null, noFigure: 'tooFewMachines', headlined: false }])
    const text = explainReport(await fleet(2, 1), { json: false })
    expect(text).toMatch(/no chance figure: so few machines cannot show a cause/)
    expect(text).toMatch(/It only goes along with the classes: 2 machines with such classes cannot show a cause/)
  })

  it('have no figure as cells: eight conditions on two machines show no more than one', async () => {
    const { units, explanations, treeChance } = await explained(2, 1, 8)
    expect(units).toBe(16)
    expect(explanations[0]).toMatchObject({ chance: null, noFigure: 'cells' })
    expect(explanations[0]?.headlined).toBeUndefined()
    expect(treeChance).toMatchObject({ chance: null, noFigure: 'cells' })
  })
})

describe('import FILE --outcome', () => {
  it('has the same shape', () => {
    const rows = Array.from({ length: 8 }, (_, m) => `m${m},${m % 2},v${m % 2}`)
    const groups = explainTableGroups(['machine,loss,tf_version', ...rows].join('\n'), {
      outcome: ['loss'],
      unit: 'machine',
    })
    expect(groups).toMatchObject([
      {
        by: {},
        units: 8,
        nondeterministic: [],
        classes: [
          ['m0', 'm2', 'm4', 'm6'],
          ['m1', 'm3', 'm5', 'm7'],
        ],
        explanations: [
          { facts: ['tf_version'], equal: true, inseparable: { tf_version: [] }, rivals: 0, chance: 1 / 35 },
        ],
        tree: [
          { if: [{ fact: 'tf_version', op: '=', value: 'v1' }], class: 'B' },
          { if: [], class: 'A' },
        ],
      },
    ])
  })
})
