import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { floatValue } from '../../../shared/half.ts'
import type { FloatDType } from '../../../shared/tensor.ts'
import { arbitraryBits } from '../../../test/hostile-bits.ts'
import { exactly, nearestValue, times } from '../../../test/nearest-value.ts'
import { exactDot, exactNorm2, exactSum } from './exact.ts'

const dtypes: FloatDType[] = ['f64', 'f32', 'f16', 'bf16']

describe.each(dtypes)('exact accumulation in %s', (dtype) => {
  const finite = arbitraryBits(dtype)
    .map((bits) => floatValue(dtype, BigInt(`0x${bits}`)))
    .filter(Number.isFinite)
  const vector = fc.array(finite, { maxLength: 40 })
  const sum = (values: number[]) => exactSum(Float64Array.from(values), dtype)
  const dot = (x: number[], y: number[]) => exactDot(Float64Array.from(x), Float64Array.from(y), dtype)
  const norm2 = (values: number[]) => exactNorm2(Float64Array.from(values), dtype)
  const total = (terms: bigint[]) => terms.reduce((all, term) => all + term, 0n)

  it('sums to the nearest value of the exact sum', () => {
    fc.assert(
      fc.property(vector, (values) => {
        const exact = total(values.map(exactly))
        const allNegativeZero = values.length > 0 && values.every((value) => Object.is(value, -0))
        expect(sum(values)).toBe(exact === 0n ? (allNegativeZero ? -0 : 0) : nearestValue(dtype, exact))
      }),
      { numRuns: 2000 },
    )
  })

  it('sums what nearly cancels', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 20 }), finite, (values, rest) => {
        const terms = [...values, rest, ...values.map((value) => -value).reverse()]
        expect(sum(terms)).toBe(rest === 0 ? 0 : rest)
      }),
    )
  })

  it('takes exact products, and rounds their exact sum once', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(finite, finite), { maxLength: 20 }), (pairs) => {
        const exact = total(pairs.map(([a, b]) => times(exactly(a), exactly(b))))
        const actual = dot(
          pairs.map(([a]) => a),
          pairs.map(([, b]) => b),
        )
        if (exact === 0n) expect(actual).toBe(pairs.length > 0 && Object.is(actual, -0) ? -0 : 0)
        else expect(actual).toBe(nearestValue(dtype, exact))
      }),
      { numRuns: 1000 },
    )
  })

  it('takes the square root of the exact sum of squares, rounded once', () => {
    fc.assert(
      fc.property(vector, (values) => {
        const exact = total(values.map((value) => times(exactly(value), exactly(value))))
        expect(norm2(values)).toBe(exact === 0n ? 0 : nearestValue(dtype, exact, 2))
      }),
      { numRuns: 500 },
    )
  })

  it('does not depend on the order of the terms', () => {
    const permuted = vector.chain((values) =>
      fc.tuple(fc.constant(values), fc.shuffledSubarray(values, { minLength: values.length })),
    )
    fc.assert(
      fc.property(permuted, ([values, other]) => {
        expect(sum(other)).toBe(sum(values))
      }),
    )
  })

  it('passes beyond the range and comes back', () => {
    const largest = floatValue(
      dtype,
      { f64: 0x7fef_ffff_ffff_ffffn, f32: 0x7f7f_ffffn, f16: 0x7bffn, bf16: 0x7f7fn }[dtype],
    )
    expect(sum([largest, largest, -largest])).toBe(largest)
    expect(sum([largest, largest])).toBe(Infinity)
    expect(dot([largest, largest, 1], [largest, -largest, 1])).toBe(1)
    expect(dot([largest, largest], [largest, 1])).toBe(Infinity)
    expect(norm2([largest])).toBe(largest)
    expect(norm2([largest, largest])).toBe(Infinity)
  })

  it('keeps subnormals, which squares of would vanish', () => {
    const least = floatValue(dtype, 1n)
    expect(sum([least, least, -least])).toBe(least)
    expect(norm2([least])).toBe(least)
    expect(dot([least, 1], [least, 0])).toBe(0)
  })

  it('lets infinities and NaN decide', () => {
    expect(sum([1, Infinity, -1])).toBe(Infinity)
    expect(sum([-Infinity, 1])).toBe(-Infinity)
    expect(sum([Infinity, -Infinity])).toBeNaN()
    expect(sum([NaN, 1])).toBeNaN()
    expect(dot([Infinity, 1], [0, 1])).toBeNaN()
    expect(dot([Infinity, -1], [1, 1])).toBe(Infinity)
    expect(norm2([-Infinity, 1])).toBe(Infinity)
    expect(norm2([NaN])).toBeNaN()
  })

  it('knows the sign of zero', () => {
    expect(sum([])).toBe(0)
    expect(sum([-0])).toBe(-0)
    expect(sum([-0, -0])).toBe(-0)
    expect(sum([-0, 0])).toBe(0)
    expect(sum([1, -1])).toBe(0)
    expect(dot([-0, -0], [1, 1])).toBe(-0)
    expect(dot([-1, 1], [1, 1])).toBe(0)
    expect(norm2([-0])).toBe(0)
  })
})

it('holds more terms than fit between two settlings of the register', () => {
  const n = 2 ** 21 + 3
  const terms = new Float64Array(n).fill(-(2 ** 53 - 1))
  expect(exactSum(terms, 'f64')).toBe(nearestValue('f64', exactly(-(2 ** 53 - 1)) * BigInt(n)))
  for (let i = 0; i < n; i += 2) terms[i] = 2 ** 53 - 1
  expect(exactSum(terms, 'f64')).toBe(2 ** 53 - 1)
  terms.fill(Number.MAX_VALUE)
  expect(exactSum(terms, 'f64')).toBe(Infinity)
  terms.fill(-Number.MIN_VALUE)
  expect(exactSum(terms, 'f64')).toBe(-Number.MIN_VALUE * n)
})
