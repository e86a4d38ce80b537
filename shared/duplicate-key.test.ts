import fc from 'fast-check'
import { expect, test } from 'vitest'
import { duplicateKey } from './duplicate-key.ts'

test.each([
  ['{"a":1,"b":{"a":2}}', undefined],
  ['{"a":1,"a":2}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['{"x":[{"a":"a","b":["a","a"]},{"a":1}],"y":"x"}', undefined],
  ['{"x":[{"a":1},{"b":{},"c":[],"b":0}]}', 'b'],
  ['{"a\\"":1,"a\\"" :2}', 'a"'],
  ['{"a":"b\\\\","b":1}', undefined],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ['["a","a",{"k":"v","v":"k"}]', undefined],
  ['{"":0,"":1}', ''],
  ['"a"', undefined],
  ['{}', undefined],
])('%s', (text, key) => {
  expect(JSON.parse(text)).toBeDefined()
  expect(duplicateKey(text)).toBe(key)
})

test('no text that JSON.stringify writes has one, and one added to any object is found', () => {
  fc.assert(
    fc.property(fc.object({ maxDepth: 3 }), fc.string(), (value, key) => {
      const json = JSON.stringify(value)
      expect(duplicateKey(json)).toBe(undefined)
      const twice = `${JSON.stringify(key)}:0,${JSON.stringify(key)}:1`
      expect(duplicateKey(`{"inner":${json},"list":[${json},{${twice}}]}`)).toBe(key)
    }),
  )
})
