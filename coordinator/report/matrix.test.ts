import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import { buildMatrix, foldRows, memberText, runsOf } from './matrix.ts'

describe('the matrix', () => {
  const report = sampleReport()
  const { columns, rows } = buildMatrix(report, 'machine')

  it('places every cell once', () => {
    const placed = rows.flatMap(({ marks }) => marks.flatMap((mark) => (mark ? [mark.cell.id] : [])))
    expect(placed.sort()).toEqual(report.cells.map(({ id }) => id).sort())
  })

  it('puts the machines of each condition side by side, by name', () => {
    const byCondition = buildMatrix(report).columns.filter(({ condition }) => condition.knobs.order === 'reverse')
    expect(byCondition.map(({ agent }) => agent)).toEqual(['a-2', 'a-1'])
    const orders = runsOf(buildMatrix(report).columns.map(({ condition }) => JSON.stringify(condition.knobs)))
    const once = orders.filter(([knobs]) => knobs === '{"order":"reverse"}')
    expect(once.map(([, , length]) => length)).toEqual([2])
  })

  it('groups columns by agent and backend', () => {
    const agents = runsOf(columns.map(({ agent }) => agent)).map(([agent]) => agent)
    expect(agents).toEqual([...new Set(agents)])
    const backends = runsOf(columns.map(({ agent, condition }) => `${agent} ${condition.backend}`)).map(([key]) => key)
    expect(backends).toEqual([...new Set(backends)])
  })

  it('keeps the letter of a cell that failed only in part', () => {
    const conv = rows.find(({ comparison }) => comparison.workload === 'nn.conv2d')
    expect(Array.from(conv?.marks ?? []).flatMap((mark) => (mark ? [mark.text] : []))).toEqual(['A', 'A!', '∅'])
  })

  it('folds identical rows only, after all others', () => {
    const layernorm = report.comparisons.find(({ workload }) => workload === 'nn.layernorm')
    if (!layernorm) throw new Error('the sample has no nn.layernorm')
    const twins = {
      ...report,
      comparisons: [layernorm, { ...layernorm, params: { dtype: 'f64' } }, ...report.comparisons],
    }
    const folds = foldRows(buildMatrix(twins).rows)
    expect(folds.map(({ rows: members }) => members.length).filter((length) => length > 1)).toEqual([3])
    const verdicts = folds.map(({ rows: members }) => members[0]?.comparison.verdict === 'identical')
    expect(verdicts.indexOf(true)).toBe(verdicts.lastIndexOf(false) + 1)
  })
})

describe('a member of a class', () => {
  const names = new Map(['free', 'nice', 'c', 'd'].map((name) => [`a-${name}`, name]))

  it('names its machines, since another class can have the same condition', () => {
    const member = { condition: 'js', agents: ['a-free', 'a-nice'] }
    expect(memberText(member, names)).toBe('js on free and nice')
    expect(memberText({ condition: 'js', agents: [...names.keys()] }, names)).toBe('js on 4 machines')
    expect(memberText({ condition: 'js', agents: ['a-free'] }, new Map([['a-free', 'free']]))).toBe('js')
  })
})
