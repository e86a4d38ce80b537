import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { visible, visibleLine, visibleLog } from './visible.ts'

// biome-ignore lint: control characters are the subject
const controls = /[\0-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/

describe('visible text', () => {
  it('shows what a terminal would obey and what a page would hide', () => {
    expect(visible('\x1b[31mred')).toBe('␛[31mred')
    expect(visible('a\u202eb')).toBe('a⟨U+202E⟩b')
    expect(visible('a\0b\x7f')).toBe('a␀b␡')
    expect(visible('\u{e0041}')).toBe('⟨U+E0041⟩')
    expect(visible('\ud800')).toBe('⟨U+D800⟩')
    expect(visible('one\r\ntwo\tthree')).toBe('one\ntwo\tthree')
    expect(visible('naïve 日本 🙂')).toBe('naïve 日本 🙂')
  })

  it('leaves nothing that a screen would obey, whatever comes', () => {
    const harmless = fc.property(
      fc.string({ unit: 'binary' }),
      (text) => !controls.test(visible(text)) && !controls.test(visibleLog(text)) && !/[\n\t]/.test(visibleLine(text)),
    )
    expect(fc.check(harmless)).toMatchObject({ failed: false })
  })

  it('takes terminal colours out of logs', () => {
    expect(visibleLog('\x1b[1;31merror\x1b[0m: \x1b]0;title\x07bad')).toBe('error: bad')
  })
})
