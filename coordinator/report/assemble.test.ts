import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import { reportSchema } from './format.ts'

describe('assembleReport', () => {
  it('makes a report that its schema accepts', () => {
    const report = sampleReport()
    expect(reportSchema.parse(report)).toEqual(report)
  })
})
