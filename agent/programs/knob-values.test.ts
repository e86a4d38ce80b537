import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { knobValuesSchema, parseValues, valuesPattern, valuesText } from './knob-values.ts'

const takes = (values: Parameters<typeof valuesPattern>[0]) => {
  const pattern = new RegExp(valuesPattern(values))
  return (text: string) => pattern.test(text)
}

describe('a range of whole numbers', () => {
  it('takes exactly the numbers in it', () => {
    const bound = fc.oneof(fc.nat(2500), fc.nat(2_000_000_000))
    fc.assert(
      fc.property(bound, bound, bound, (a, b, other) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const has = takes({ from, to })
        for (const n of [from, to, from - 1, to + 1, other, Math.floor((from + to) / 2)]) {
          expect(has(String(n)), `${n} of ${from}..${to}`).toBe(n >= from && n <= to)
        }
      }),
    )
    const has = takes({ from: 7, to: 1103 })
    for (let n = 0; n < 1300; n++) expect(has(String(n))).toBe(n >= 7 && n <= 1103)
  })

  it('takes no other text of them', () => {
    const has = takes({ from: 1, to: 64 })
    for (const text of ['01', '+1', '1.0', '1 ', '1\n', '', '1;2', '٣']) expect(has(text), text).toBe(false)
  })
})

describe('listed values', () => {
  it('are taken as they are', () => {
    const has = takes(['a.b', '-FMA,-AVX2', '', '$(x)'])
    for (const text of ['a.b', '-FMA,-AVX2', '', '$(x)']) expect(has(text), text).toBe(true)
    for (const text of ['axb', 'a', '-FMA', 'a.b|', ' ']) expect(has(text), text).toBe(false)
  })

  it('are written as they are read', () => {
    const list = fc.uniqueArray(fc.stringMatching(/^[a-z,\\.=-]{1,6}$/), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(list, (values) => {
        expect(parseValues(valuesText(values))).toEqual(values)
      }),
    )
    expect(parseValues('1..64')).toEqual({ from: 1, to: 64 })
    expect(valuesText({ from: 1, to: 64 })).toBe('1..64')
    expect(parseValues('default,avx2')).toEqual(['default', 'avx2'])
  })

  it.each([[{ from: 2, to: 1 }], [{ from: -1, to: 1 }], [[]], [['a', 'a']], [['a\u001b[1m']], [['a\nb']], [['\0']]])(
    'are not %j',
    (values) => expect(knobValuesSchema.safeParse(values).success).toBe(false),
  )
})
