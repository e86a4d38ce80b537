import { expect, it } from 'vitest'
import { firstRefused } from './refused-value.ts'

it.each([
  ['^(?:on|off)$', 'on', true],
  ['^(?:on|off)$', 'one', false],
  ['^[1-9]\\d{0,3}$', '64', true],
  ['^[1-9]\\d{0,3}$', '64\n1', false],
])('%s of %j', (pattern, value, takes) => {
  expect(firstRefused(pattern, [value])).toBe(takes ? undefined : value)
})

it.each([
  ['^(a+)+$', `${'a'.repeat(64)}b`, /timed out/],
  ['(', 'a', /Invalid regular expression/],
])('refuses the pattern %s in time', (pattern, value, message) => {
  expect(() => firstRefused(pattern, [value])).toThrow(message)
  expect(firstRefused('^a$', ['a'])).toBeUndefined()
})

it('finds one among many values without a script for each', () => {
  const many = Array.from({ length: 20_000 }, (_, i) => String(i))
  expect(firstRefused('^[0-9]+$', many)).toBeUndefined()
  expect(firstRefused('^[0-9]{1,4}$', many)).toBe('10000')
})
