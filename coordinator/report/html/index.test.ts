import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hostileReport } from '../../../test/hostile-report.ts'
import { sampleReport } from '../../../test/sample-report.ts'
import { withFindings } from '../assemble.ts'
import { renderHtml } from './index.tsx'

const html = renderHtml(sampleReport())

describe('report.html', () => {
  it('allows itself its own style and nothing else', () => {
    const policy =
      /http-equiv="content-security-policy" content="([^"]*)"/.exec(html)?.[1]?.replaceAll('&#39;', "'") ?? ''
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'$/)
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    expect(policy).toContain(`'sha256-${hash}'`)
    expect(html).not.toMatch(/<script|\son[a-z]+=|\sstyle=|\ssrc=|<link|url\(/)
  })

  it('has every address it points to, once', () => {
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, target] of html.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target)
  })

  it('shows bits that differ, marked in both patterns', () => {
    expect(html).toContain('3fc00000')
    expect(html).toMatch(/<mark>[01]+<\/mark>/)
  })

  it('says plainly what is ignored, crashed or compared on other inputs', () => {
    expect(html).toContain('OPENBLAS_CORETYPE=Haswell was ignored')
    expect(html).toContain('SIGILL')
    expect(html).toContain('compares different inputs')
  })

  it('escapes whatever agents and plans say', () => {
    const hostile = renderHtml(hostileReport())
    expect(hostile).not.toMatch(/<(script|img|svg\/)/)
    expect(hostile.match(/<\/style>/g)).toHaveLength(1)
    // biome-ignore lint: control characters are the subject
    expect(hostile).not.toMatch(/[\0-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
  })

  it('does not grow by an element a cell when there are very many', () => {
    const [few, many] = [fleet(50), fleet(2000)]
    const elements = (text: string) => text.match(/<[a-z]/g)?.length ?? 0
    expect(elements(many)).toBeLessThan(elements(few) + 12_000)
    expect(many.length).toBeLessThan(3_000_000)
    expect(many).toContain('too many to letter')
  })
})

/** A report of one workload on many agents, half of which differ. */
function fleet(count: number): string {
  const report = sampleReport()
  const [agent] = report.agents
  const cell = report.cells.find(({ workload }) => workload === 'elementary.exp')
  const comparison = report.comparisons.find(({ workload }) => workload === 'elementary.exp')
  if (!agent || !cell || !comparison) throw new Error('the sample has no elementary.exp')
  const ids = Array.from({ length: count }, (_, i) => `c${i}`)
  const { schema, run, workloads } = report
  const large = withFindings({
    schema,
    run,
    workloads,
    agents: ids.map((_, i) => ({ ...agent, id: `a${i}`, name: `rack-${i}` })),
    cells: ids.map((id, i) => ({ ...cell, id, agent: `a${i}` })),
    comparisons: [
      {
        ...comparison,
        classes: comparison.classes.map((found, k) => ({ ...found, cells: ids.filter((_, i) => i % 2 === k) })),
        compared: ids,
      },
    ],
  })
  return renderHtml(large)
}
