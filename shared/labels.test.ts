import { describe, expect, it } from 'vitest'
import { labelsSchema, parseLabels } from './labels.ts'

describe('labels', () => {
  it('are read as they stand', () => {
    const texts = ['site=lab-3', 'rack/row=a=b', 'group=', 'note= two words ']
    expect(parseLabels(texts)).toEqual({ site: 'lab-3', 'rack/row': 'a=b', group: '', note: ' two words ' })
    expect(labelsSchema.safeParse(parseLabels(texts)).success).toBe(true)
  })

  it.each([
    [['site'], /label "site" is not KEY=VALUE/],
    [['=x'], /label "=x" is not KEY=VALUE/],
    [['a=1', 'a=2'], /the label a is given twice/],
    [['-a=1'], /label "-a=1" cannot be: a key is/],
    [['__proto__=1'], /label "__proto__=1" cannot be/],
    [[`${'k'.repeat(64)}=1`], /cannot be: a key is up to 63/],
    [[`a=${'v'.repeat(201)}`], /a value at most 200/],
    [['a\u001b[2J=1'], /cannot be/],
    [Array.from({ length: 65 }, (_, i) => `k${i}=v`), /more than 64 labels/],
  ])('refuses %j', (texts, message) => {
    expect(() => parseLabels(texts)).toThrow(message)
  })
})
