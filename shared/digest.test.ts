import { expect, test } from 'vitest'
import { chunkBytes, chunkDigests, digestOf, isDigest, parseDigest, sha256Hex } from './digest.ts'

test('SHA-256 of FIPS 180-4', () => {
  expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(sha256Hex('a', new Uint8Array([0x62]), 'c')).toBe(sha256Hex('abc'))
  expect(digestOf('')).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})

test('chunks are consecutive pieces of 1 MiB, the last one shorter', () => {
  const bytes = new Uint8Array(chunkBytes * 2 + 1).fill(7)
  expect(chunkDigests(bytes)).toEqual([
    digestOf(bytes.subarray(0, chunkBytes)),
    digestOf(bytes.subarray(0, chunkBytes)),
    digestOf(new Uint8Array([7])),
  ])
  expect(chunkDigests(bytes.subarray(0, chunkBytes))).toHaveLength(1)
  expect(chunkDigests(new Uint8Array(0))).toEqual([])
})

test('only sha256: and 64 lower-case digits are a digest', () => {
  const hex = sha256Hex('abc')
  expect(isDigest(`sha256:${hex}`)).toBe(true)
  for (const text of [
    hex,
    `sha256:${hex.toUpperCase()}`,
    `sha256:${hex} `,
    `sha256:${hex}\n`,
    `sha256:${hex.slice(1)}`,
  ]) {
    expect(() => parseDigest(text)).toThrow('is not sha256:')
  }
})
