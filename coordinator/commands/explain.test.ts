import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import { type ExplainedGroup, explainReport } from './explain.ts'

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
