import { describe, expect, it } from 'vitest'
import { arrayKey, distinctArrays, findArray, refersTo } from './array-identity.ts'

const digest = `sha256:${'a'.repeat(64)}`
const wide = { digest, dtype: 'f32', shape: [2, 8] } as const
const square = { digest, dtype: 'f32', shape: [4, 4] } as const
const other = { digest, dtype: 'u32', shape: [4, 4] } as const
const all = [wide, square, other]

describe('the identity of an array', () => {
  it('is dtype, shape and digest together', () => {
    expect(new Set(all.map(arrayKey)).size).toBe(3)
    expect(arrayKey({ ...wide })).toBe(arrayKey(wide))
    // Not the list of all its digits.
    expect(arrayKey({ ...wide, shape: [28] })).not.toBe(arrayKey(wide))
    expect(distinctArrays([wide, square, { ...wide }, other])).toEqual(all)
  })

  it.each([
    [{ digest }, [true, true, true]],
    [{ digest, shape: [4, 4] }, [false, true, true]],
    [{ digest, dtype: 'f32' }, [true, true, false]],
    [{ digest, dtype: 'u32', shape: [4, 4] }, [false, false, true]],
    [{ digest: `sha256:${'b'.repeat(64)}` }, [false, false, false]],
  ] as const)('%j refers to %j', (reference, expected) => {
    expect(all.map((array) => refersTo(reference, array))).toEqual(expected)
  })

  it('is never guessed', () => {
    const file = 'u.npy'
    expect(findArray([wide, { ...wide }], { file, digest })).toEqual(wide)
    expect(findArray(all, { file, digest, dtype: 'u32' })).toBe(other)
    expect(() => findArray(all, { file, digest, shape: [4, 4] })).toThrow(
      /u\.npy may be f32\[4,4\] and u32\[4,4\], which have the same bytes/,
    )
    expect(() => findArray([], { file, digest })).toThrow(/was not given with the plan/)
    expect(() => findArray(undefined, { file, digest })).toThrow(/was not given with the plan/)
  })
})
