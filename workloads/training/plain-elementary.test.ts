import { init } from 'gmp-wasm'
import { describe, expect, it } from 'vitest'
import { bytesOf, createTensor, asBits } from '../../shared/tensor.ts'
import { createStream } from '../../shared/random/stream.ts'
import { ulpDistance } from '../../shared/ulp.ts'
import { plainExp, plainLog } from './plain-elementary.ts'

const bits = (value: number) => asBits(createTensor('f64', [], bytesOf(Float64Array.of(value))))[0] as bigint
const { getContext } = await init()
const precise = getContext({ precisionBits: 200 })

/** The largest distance from the correctly rounded values, in units in the last place. */
function worst(f: (x: number) => number, rounded: (x: number) => number, arguments_: Iterable<number>): number {
  let largest = 0
  for (const x of arguments_) largest = Math.max(largest, Number(ulpDistance('f64', bits(f(x)), bits(rounded(x)))))
  return largest
}

describe('exp of four operations', () => {
  const rounded = (x: number) => Number(precise.Float(x).exp().toString())

  it('is within one ulp of the correctly rounded value where the training uses it', () => {
    const draws = [...createStream('1', 'exp').uniform64(4000)]
    expect(
      worst(
        plainExp,
        rounded,
        draws.map((u) => -u),
      ),
    ).toBeLessThanOrEqual(1)
    expect(
      worst(
        plainExp,
        rounded,
        draws.map((u) => -100 * u),
      ),
    ).toBeLessThanOrEqual(1)
    expect(
      worst(
        plainExp,
        rounded,
        draws.map((u) => 700 * u),
      ),
    ).toBeLessThanOrEqual(1)
  })

  it('has the ends that exp has', () => {
    expect([0, -0, -Infinity, Infinity, -1e300, 1e300, NaN].map(plainExp)).toEqual([
      1,
      1,
      0,
      Infinity,
      0,
      Infinity,
      NaN,
    ])
    expect(plainExp(-700 * Math.LN2)).toBeGreaterThan(0)
  })
})

describe('log of four operations', () => {
  const rounded = (x: number) => Number(precise.Float(x).ln().toString())

  it('is within three ulp of the correctly rounded value where the training uses it', () => {
    const draws = [...createStream('1', 'log').uniform64(4000)]
    expect(
      worst(
        plainLog,
        rounded,
        draws.map((u) => 1 + 9 * u),
      ),
    ).toBeLessThanOrEqual(3)
    expect(
      worst(
        plainLog,
        rounded,
        draws.map((u) => 0.5 + u),
      ),
    ).toBeLessThanOrEqual(3)
    expect(
      worst(
        plainLog,
        rounded,
        draws.map((u) => u * 2 ** -900),
      ),
    ).toBeLessThanOrEqual(3)
  })

  it('has the ends that log has', () => {
    expect([1, 0, Infinity, -1, NaN].map(plainLog)).toEqual([0, -Infinity, Infinity, NaN, NaN])
    expect(plainLog(2 ** -1074)).toBe(Math.log(2 ** -1074))
  })
})
