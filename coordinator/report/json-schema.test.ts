import { resolve } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import type { Report } from './format.ts'
import { reportJsonSchema } from './json-schema.ts'

const published = resolve(import.meta.dirname, '../../docs/schema/report.schema.json')
const validate = new Ajv2020({ strict: true, strictTypes: false, strictTuples: false }).compile(reportJsonSchema())

describe('the published schema of report.json', () => {
  it('is that of the code; after a change of the format, `npx vitest run -u` writes it anew', async () => {
    await expect(`${JSON.stringify(reportJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(published)
  })

  it('accepts a real report as it is read back from its file', () => {
    const read: unknown = JSON.parse(JSON.stringify(sampleReport()))
    expect(validate(read), JSON.stringify(validate.errors)).toBe(true)
  })

  const faults: [string, (report: Report) => void][] = [
    ['another schema', (report) => Object.assign(report, { schema: 'bitfleet/report@3' })],
    ['a verdict that is none', (report) => Object.assign(report, { verdict: 'fine' })],
    ['a digest that is none', (report) => Object.assign(report.run, { planDigest: 'sha256:xyz' })],
    [
      'a trace digest with its prefix',
      (report) => Object.assign(report.comparisons[0]?.classes[0] as object, { trace: `sha256:${'0'.repeat(64)}` }),
    ],
    ['no cells', (report) => Reflect.deleteProperty(report, 'cells')],
    ['a member nobody knows', (report) => Object.assign(report.cells[0] as object, { colour: 'red' })],
  ]
  it.each(faults)('refuses %s', (_, plant) => {
    const report = sampleReport()
    plant(report)
    expect(validate(JSON.parse(JSON.stringify(report)))).toBe(false)
  })
})
