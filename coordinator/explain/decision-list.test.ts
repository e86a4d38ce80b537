import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decisionList, type Rule } from './decision-list.ts'
import type { Unit } from './minimal-facts.ts'

function classBy(rules: readonly Rule[], { facts }: Unit): string | undefined {
  return rules.find((rule) => rule.if.every(({ fact, value }) => (facts[fact] ?? null) === value))?.class
}

const unit = (id: string, letter: string, facts: Record<string, string>): Unit => ({ id, class: letter, facts })

describe('decisionList', () => {
  it('says that threads matter only with AVX-512', () => {
    const rules = decisionList(
      [
        unit('1', 'A', { 'cpu.flags.avx512f': 'no', 'knob.threads': '1' }),
        unit('2', 'A', { 'cpu.flags.avx512f': 'no', 'knob.threads': '2' }),
        unit('3', 'A', { 'cpu.flags.avx512f': 'yes', 'knob.threads': '1' }),
        unit('4', 'B', { 'cpu.flags.avx512f': 'yes', 'knob.threads': '2' }),
      ],
      new Set(['knob.threads']),
    )
    expect(rules).toEqual([
      {
        if: [
          { fact: 'knob.threads', op: '=', value: '2' },
          { fact: 'cpu.flags.avx512f', op: '=', value: 'yes' },
        ],
        class: 'B',
      },
      { if: [], class: 'A' },
    ])
  })

  it('takes a missing fact as a value of its own', () => {
    expect(decisionList([unit('1', 'A', {}), unit('2', 'B', { 'knob.x': '1' })])[0]?.if).toMatchObject([
      { fact: 'knob.x' },
    ])
  })

  it('gives no rules for one class, nor where equal facts have different classes', () => {
    expect(decisionList([unit('1', 'A', { 'knob.x': '1' }), unit('2', 'A', { 'knob.x': '2' })])).toEqual([])
    expect(
      decisionList([
        unit('1', 'A', { 'knob.x': '1' }),
        unit('2', 'B', { 'knob.x': '1' }),
        unit('3', 'A', { 'knob.x': '2' }),
      ]),
    ).toEqual([])
  })

  it('gives every unit its class, or no rules', { timeout: 60_000 }, () => {
    const value = fc.constantFrom('0', '1', '2')
    const arbitrary = fc.array(
      fc.record({
        class: fc.constantFrom('A', 'B', 'C'),
        facts: fc.record({ 'knob.a': value, 'knob.b': value }, { requiredKeys: [] }),
      }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(arbitrary, (raw) => {
        const units = raw.map((one, i) => unit(String(i), one.class, one.facts as Record<string, string>))
        const rules = decisionList(units)
        if (rules.length > 0) expect(units.map((one) => classBy(rules, one))).toEqual(units.map((one) => one.class))
        expect(decisionList(units.toReversed())).toEqual(rules)
      }),
    )
  })
})
