import { describe, expect, it } from 'vitest'
import { countNotMeasured, explainTable, parseTable } from './table.ts'

describe('parseTable', () => {
  it('reads quoted fields, CRLF and a byte order mark', () => {
    expect(parseTable('\ufeffa,"b ""x""",c\r\n1,"2,\n3",\r\n\r\n4,5,6')).toEqual({
      columns: ['a', 'b "x"', 'c'],
      rows: [
        ['1', '2,\n3', ''],
        ['4', '5', '6'],
      ],
    })
  })

  it.each([
    ['', /empty/],
    ['a,b\n1\n', /row 1 .* 1 fields, not 2/],
    ['a,a\n1,2\n', /two columns named "a"/],
    ['a,b\n1,"2\n', /quote out of place/],
    ['a,b\n1,2"3\n', /quote out of place/],
  ])('refuses %j', (text, message) => {
    expect(() => parseTable(text)).toThrow(message)
  })
})

/** Eight machines, of which four have FMA; two inputs, two runs; the seventh machine does not repeat. */
function csv(): string {
  const rows = Array.from({ length: 9 }, (_, m) => {
    const fma = m % 2 === 0 ? 'yes' : 'no'
    return [0, 1].flatMap((point) =>
      [0, 1].map((run) => {
        const loss = point === 0 ? '0.5' : m === 8 ? `0.7${run}` : fma === 'yes' ? '0.25' : '0.26'
        return [`m${m}`, point, run, loss, fma, `host${m}`, m < 4 ? '' : '12', `2026-01-0${1 + run}`].join()
      }),
    )
  })
  return ['machine,input,run,loss,cpu_fma,hostname,cuda,day', ...rows.flat(), ''].join('\n')
}

describe('explainTable', () => {
  const columns = { outcome: ['loss'], unit: 'machine', point: 'input', repetition: 'run' }
  const [group] = explainTable(parseTable(csv()), columns)

  it('classes units by the vector of their outcomes, and leaves out those that disagree with themselves', () => {
    expect(group?.nondeterministic).toEqual(['m8'])
    expect(group?.explained.classes).toEqual([
      ['m0', 'm2', 'm4', 'm6'],
      ['m1', 'm3', 'm5', 'm7'],
    ])
  })

  it('explains them with a chance over units', () => {
    // Two of the 35 ways: the column `cuda` also parts eight units in halves.
    expect(group?.explained.explanations).toMatchObject([
      { facts: ['cpu_fma'], equal: true, rivals: 0, chance: 2 / 35, headlined: false },
    ])
    expect(group?.explained.decisionList).toMatchObject({
      rules: [{ if: [{ fact: 'cpu_fma', value: 'no' }], class: 'B' }, { class: 'A' }],
      chance: 2 / 35,
    })
  })

  it('takes neither identities nor what varies within a unit for facts', () => {
    // hostname and day are left out: cpu_fma and cuda remain.
    expect(group?.explained.candidates).toBe(2)
  })

  it('compares separately by columns, and only the points that all units have', () => {
    const separate = explainTable(parseTable(csv()), {
      outcome: ['loss'],
      unit: 'machine',
      repetition: 'run',
      by: ['input'],
    })
    expect(separate.map(({ by, explained }) => [by, explained.classes.length])).toEqual([
      [{ input: '0' }, 1],
      [{ input: '1' }, 2],
    ])
    const lacking = csv()
      .split('\n')
      .filter((line) => !line.startsWith('m0,1,'))
      .join('\n')
    const [common] = explainTable(parseTable(lacking), columns)
    expect(common?.explained.classes).toHaveLength(1)
  })

  it('names a column that the table lacks', () => {
    expect(() => explainTable(parseTable(csv()), { ...columns, unit: 'node' })).toThrow(
      /no column "node"; it has machine, input/,
    )
  })
})

describe('a table of which not all was measured', () => {
  const columns = { outcome: ['loss'], unit: 'machine' }

  it('has no result where the outcome is empty', () => {
    const table = parseTable('machine,loss\na,1\nb,1\nc,\nd,2\nd, \n')
    expect(explainTable(table, columns)[0]?.explained.classes).toEqual([['a', 'b'], ['d']])
    expect(countNotMeasured(table, columns)).toBe(2)
  })

  it.each([
    ['machine,loss\n', /the table has a header and no records; give/],
    ['machine,loss\na,\n', /the table has no record with loss; give/],
  ])('is refused if nothing was', (text, message) => {
    expect(() => explainTable(parseTable(text), columns)).toThrow(message)
  })
})
