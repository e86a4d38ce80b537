import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { visible } from '../../shared/visible.ts'
import { sampleReport } from '../../test/sample-report.ts'
import { renderCsv } from './csv.ts'

/** RFC 4180, read strictly: quotes only around whole fields, CRLF after each record. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y
  while (field.lastIndex < text.length) {
    const match = field.exec(text)
    if (!match) throw new Error('not RFC 4180')
    row.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (match[3] === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

describe('report.csv', () => {
  it('has a row for every cell, as wide as the head', () => {
    const report = sampleReport()
    const [head, ...rows] = parseCsv(renderCsv(report)) as [string[], ...string[][]]
    expect(rows.map((row) => row[0])).toEqual(report.cells.map(({ id }) => id))
    expect(rows.every((row) => row.length === head.length)).toBe(true)
    const letters = rows.map((row) => row[head.indexOf('class')])
    expect(letters).toContain('B')
    expect(letters).toContain('~')
  })

  it('is read back as a person may read it, and never as a formula', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', '=', '+', '-', '@', '\t', '\r', '  =', '＝'),
        (text, lead) => {
          const report = sampleReport()
          const agent = report.agents[0]
          if (agent) agent.name = lead + text
          const [head, first] = parseCsv(renderCsv(report)) as [string[], string[]]
          const name = first[head.indexOf('agent_name')] as string
          expect(name).not.toMatch(/^[\s]*[=+\-@＝]|^[\t\r\n]/)
          expect(name.replace(/^'/, '')).toBe(visible(lead + text).replace(/^'/, ''))
          // biome-ignore lint: control characters are the subject
          expect(name).not.toMatch(/[\0\u001b\u200b\u202e]/)
        },
      ),
      { numRuns: 50 },
    )
  })
})
