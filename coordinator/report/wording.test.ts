import { describe, expect, it } from 'vitest'
import { agreementShort } from './wording.ts'

describe('what agreement shows, beside a workload', () => {
  it('is said of the cells in classes: others of the row may disagree with themselves', () => {
    expect(agreementShort({ executions: 8, otherOutcomesBelow: 0.348 })).toBe(
      'The cells in classes agree with themselves, in 8 executions each or more: with 95 % confidence, the other outcomes of a cell are rarer than 34.8\u202f%.',
    )
    expect(agreementShort({ executions: 1, otherOutcomesBelow: null })).toMatch(/^A cell of a class ran once/)
  })
})
