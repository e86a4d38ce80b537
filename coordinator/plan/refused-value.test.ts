import { expect, it } from 'vitest'
import { takesValue } from './takes-value.ts'

it.each([
  ['^(?:on|off)$', 'on', true],
  ['^(?:on|off)$', 'one', false],
  ['^[1-9]\\d{0,3}$', '64', true],
  ['^[1-9]\\d{0,3}$', '64\n1', false],
])('%s of %j', (pattern, value, takes) => {
  expect(takesValue(pattern, value)).toBe(takes)
})

it.each([
  ['^(a+)+$', `${'a'.repeat(64)}b`, /timed out/],
  ['(', 'a', /Invalid regular expression/],
])('is no answer of %s, and ends', (pattern, value, message) => {
  expect(() => takesValue(pattern, value)).toThrow(message)
  expect(takesValue('^a$', 'a')).toBe(true)
})
