import { describe, expect, it } from 'vitest'
import { reportOfCells } from '../../test/report-of-cells.ts'
import { hostileReport } from '../../test/hostile-report.ts'
import { sampleReport } from '../../test/sample-report.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from './assemble.ts'
import { renderMarkdown } from './markdown.ts'
import { renderText } from './text.ts'

describe('the report for a terminal', () => {
  const text = renderText(sampleReport(), { color: false, width: 100 })

  it('says the sentence first, then classes, then where and why', () => {
    expect(text.split('\n')[0]).toBe(sampleReport().findings.machines.text)
    expect(text.split('\n')[1]).toBe(sampleReport().sentence)
    expect(text).toMatch(/^reduce\.sum dtype=f32 n=64 +A {2}A {2}B {2}B {2}C {2}C {2}C {2}C {2}A {2}A/m)
    expect(text).toMatch(/A and B differ at sum .*1 ULP apart/)
    expect(text).toMatch(/A holds the correctly rounded result, by js order=exact\. From it: B and C 1 ULP\./)
    expect(text).toMatch(/4 ULP apart; loss 4 ULP at step 12, .+; predicted labels that differ: 3 of 40/)
    expect(text).toMatch(
      /js order=atomic:4 on rack-1 gave 3 distinct results in 8 executions; they first differ at checkpoint 1 sum/,
    )
    expect(text).toMatch(/tested: js\.order was changed alone in 2 trials: the bits followed in all/)
    expect(text).toMatch(/observed: over the cells, the bits go along with backend; this alone shows no cause/)
    expect(text).toMatch(
      /Replaced: openblas\.coreType: .*was replaced by SkylakeX.*OPENBLAS_CORETYPE=Haswell was ignored/,
    )
  })

  it('keeps the table within the terminal', () => {
    const table = renderText(sampleReport(), { color: false, width: 60 }).split('\n\n').slice(1, 5).join('\n')
    const rows = table.split('\n').filter((line) => / [A·~✕–!]$/.test(line))
    expect(rows.length).toBeGreaterThan(10)
    expect(Math.max(...rows.map((line) => line.length))).toBeLessThanOrEqual(60)
  })

  it('colours only when asked', () => {
    // biome-ignore lint: control characters are the subject
    const escape = /\u001b/
    expect(text).not.toMatch(escape)
    expect(renderText(sampleReport(), { color: true })).toMatch(escape)
  })

  it('obeys nothing that an agent says', () => {
    const hostile = renderText(hostileReport(), { color: false })
    // biome-ignore lint: control characters are the subject
    expect(hostile).not.toMatch(/[\0-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
  })
})

describe('the report in Markdown', () => {
  it('has the table of classes, the divergences and the plan', () => {
    const markdown = renderMarkdown(sampleReport())
    expect(markdown).toMatch(
      /^\| reduce\.sum dtype=f32 n=64 \| \*\*A\*\* \| \*\*A\*\* \| B \| B \| C \| C \| C \| C \|/m,
    )
    expect(markdown).toContain('bold: the correctly rounded result; ~ nondeterministic')
    expect(markdown).toMatch(/### elementary\.exp dtype=f64 n=256: divergent/)
    expect(markdown).toContain('```yaml')
  })

  it('names the members of a class, the correctly rounded result, and how far the others are from it', () => {
    const markdown = renderMarkdown(sampleReport())
    expect(markdown).toMatch(/^\| A \| js order=sequential on rack-1 and .+rack.+; .+ \| this is it \| `/m)
    expect(markdown).toMatch(/^\| B \| js order=reverse on rack-1 and .+ \| 1 ULP \| `/m)
    expect(markdown).toContain('A holds the correctly rounded result, by js order=exact.')
    expect(markdown).toContain('All classes start from the same inputs: input.')
  })

  it('names a backend once, where all its conditions are of one class', async () => {
    const run = createSyntheticRun([syntheticAgent('a')])
    const add = (backend: string, knobs: Record<string, number>, value: number) => {
      const checkpoints = [{ step: 0, name: 'y', tensor: f32([value]), output: true }]
      run.add({ workload: 'w', backend, knobs, executions: [{ checkpoints }, { checkpoints }] })
    }
    for (const threads of [1, 2]) {
      add('onnxruntime@1.30.0', { threads }, 1)
      add('pytorch@2.13.0', { threads }, threads)
    }
    add('js', {}, 1)
    const report = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0')
    const markdown = renderMarkdown(report)
    expect(markdown).toContain('| A | onnxruntime@1.30.0 (all its 2 conditions); pytorch@2.13.0 threads=1; js | `')
    expect(markdown).toContain('| B | pytorch@2.13.0 threads=2 | `')
  })

  it('tells what changed the bits and what did not', () => {
    const [, part = ''] = renderMarkdown(sampleReport()).split('### train.cnn')
    expect(part).toMatch(/- tfjs-wasm\.variant was changed alone in 1 trial: the bits stayed/)
  })

  it('tells how a difference grows, what of it heals, and what it decides', () => {
    const markdown = renderMarkdown(sampleReport())
    expect(markdown).toMatch(
      /the \d+ checkpoints before it are equal; \d+ checkpoints differ in all; one after the first difference is equal/,
    )
    expect(markdown).toMatch(/predicted labels that differ: 3 of 40 \(churn 7\.5\u202f%\)/)
    expect(markdown).toMatch(
      /Growth \(largest distance of an element, at some steps\): loss \d+ ULP at step 12, .+ at step 90; weights/,
    )
  })

  it('lets no text of an agent become a link, a mention or a reference', () => {
    const report = sampleReport()
    const names = [
      'joe@evil.example',
      '@octocat',
      'mailto:a@b.example',
      'https://evil.example',
      'www.evil.example',
      '#12',
      '@@x',
    ]
    report.agents.forEach((agent, i) => (agent.name = names.slice(i * 4, i * 4 + 4).join(' ')))
    report.run.id = 'a`b|c @octocat'
    const markdown = renderMarkdown(report)
    for (const shown of [
      'joe`@`evil.example `@`octocat mailto:a`@`b.example https`://`evil.example',
      '`www.`evil.example `#`12 `@@`x',
      '`` a`b\\|c @octocat ``',
    ]) {
      expect(markdown).toContain(shown)
    }
    const prose = markdown.slice(0, markdown.indexOf('```yaml')).replaceAll(/(`+)(?!`).*?(?<!`)\1(?!`)/g, '')
    expect(prose).not.toMatch(/@(?!\d+(\.\d+)*\b)|:\/\/|www\.|#\d/)
  })

  it('leaves the version of a library as it is', async () => {
    const report = await reportOfCells(
      ['js@1.1.0', 'js@fast', 'js@a.b', '@js'].map((backend, i) => ({ backend, gives: [i] })),
    )
    const markdown = renderMarkdown(report)
    for (const shown of ['js@1.1.0', 'js@fast', 'js`@`a.b', '`@`js']) expect(markdown).toContain(shown)
  })

  it('lets no text of an agent become markup', () => {
    // The plan stands in a code block, whose fence is longer than any in it.
    const [markdown, plan] = renderMarkdown(hostileReport()).split('\n````yaml\n') as [string, string]
    expect(plan.trimEnd().endsWith('\n````')).toBe(true)
    expect(markdown).not.toMatch(/<(script|img|b)\b/)
    expect(markdown).not.toMatch(/(?<!\\)\[[^\]]*\]\(/)
    const widths = new Map<string, number>()
    for (const line of markdown.split('\n').filter((row) => row.startsWith('| '))) {
      const cells = line.replace(/\\./g, '').split('|').length
      widths.set(`${cells}`, cells)
    }
    // Facts, classes by condition, members of a class with a correctly rounded result and without: four kinds of table
    // and no row of another width.
    expect(widths.size).toBe(4)
  })
})
