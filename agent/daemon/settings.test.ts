import { describe, expect, it } from 'vitest'
import { settingsOf } from './settings.ts'

const none = { settings: {}, reasons: {}, notes: [] }

describe('settingsOf', () => {
  it('says of each knob whether it is in force, replaced or unknown', () => {
    const { settings } = settingsOf(
      { coreType: 'NEOVERSEN1', threads: 2, order: 'reverse', silent: true },
      {
        ...none,
        settings: { coreType: 'Cooperlake', threads: '2', order: 'forward', unasked: 'x' },
        reasons: { coreType: 'this build has no such core type', silent: 'it tells nothing' },
      },
    )
    expect(settings).toEqual({
      coreType: { state: 'replaced', by: 'Cooperlake', why: 'this build has no such core type' },
      threads: { state: 'in force' },
      order: { state: 'replaced', by: 'forward' },
      silent: { state: 'unknown', why: 'it tells nothing' },
    })
  })

  it.each([
    ['haswell', 'Haswell', true],
    ['03', '3', true],
    [3, '3', true],
    [true, 'true', true],
    ['3', '3.0', false],
    ['AVX2,STRICT', 'AUTO,STRICT', false],
    ['', 'none', false],
  ])('takes %s, read back as %s, for the same: %s', (asked, effective, same) => {
    const { settings } = settingsOf({ knob: asked }, { ...none, settings: { knob: effective } })
    expect(settings.knob?.state).toBe(same ? 'in force' : 'replaced')
  })

  it('gives the general reason only to what has none of its own', () => {
    const { settings } = settingsOf({ a: 1, b: 2 }, { ...none, reasons: { a: 'own' } }, 'general')
    expect(settings).toEqual({ a: { state: 'unknown', why: 'own' }, b: { state: 'unknown', why: 'general' } })
  })

  it('keeps such a note as a warning if the knob is in force', () => {
    const old = { kind: 'no-effect' as const, subject: 'order', message: 'nothing is added up' }
    expect(settingsOf({ order: 'pairwise' }, { ...none, settings: { order: 'pairwise' }, notes: [old] })).toEqual({
      settings: { order: { state: 'in force' } },
      notes: [{ ...old, kind: 'warning' }],
    })
  })

  it('takes the note of a runner of 0.1 about a knob as the reason, and passes no `no-effect` on', () => {
    const old = { kind: 'no-effect' as const, subject: 'threads', message: 'it runs 1' }
    const other = { kind: 'no-effect' as const, subject: 'elsewhere', message: 'about no knob' }
    expect(settingsOf({ threads: 4 }, { ...none, settings: { threads: '1' }, notes: [old, other] })).toEqual({
      settings: { threads: { state: 'replaced', by: '1', why: 'it runs 1' } },
      notes: [{ kind: 'warning', subject: 'elsewhere', message: 'about no knob' }],
    })
  })
})
