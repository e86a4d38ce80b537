import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tensorFromBits } from '../../shared/tensor.ts'
import { createTrace } from '../../shared/trace.ts'
import { type ComparisonSource, compareFiles, compareSources } from '../compare/files.ts'
import { formatDiff } from './diff.ts'

const tensors = (bits: string[], name = ''): ComparisonSource => {
  return { kind: 'tensors', tensors: new Map([[name, tensorFromBits('f32', [2, bits.length / 2], bits)]]) }
}

test('a difference is told with its place, bits, values, distance and histogram', () => {
  const a = tensors(['3f800000', '3f800000', '00000000', '3f800000'])
  const b = tensors(['3f800000', '3f800003', '80000000', '7fc00000'])
  expect(formatDiff('a.npy', 'b.npy', compareSources(a, b))).toBe(`a.npy and b.npy differ

f32[2, 2]: 3 of 4 elements differ (75.0 %): 1 NaN against number, 1 sign of zero and 1 rounding (at most 8 ULP), at most 3 ULP, relative L2 2.52881e-7
first difference at [0, 1] (element 1 in C order):
  a  3f800000          1
  b  3f800003  1.0000004
  3 ULP apart
  rounding (at most 8 ULP)
differing elements by kind:
  1  NaN against number
  1  sign of zero
  1  rounding (at most 8 ULP)
elements by ULP distance (bars logarithmic):
             0  1  █
           3-4  1  █
           nan  1  █
  sign-of-zero  1  █
`)
})

test('what is identical says so, with the digest', () => {
  const a = tensors(['3f800000', '3f800000'])
  expect(formatDiff('a.npy', 'b.npy', compareSources(a, a))).toMatch(
    /^a\.npy and b\.npy are identical\n\nf32\[2, 1\]: 0 of 2 elements differ \(0\.00 %\)\nsha256:[0-9a-f]{64}\n$/,
  )
})

test('names cannot steer a terminal', () => {
  const name = '\u001b]0;owned\u0007\u202egpj'
  const text = formatDiff(
    `${name}.safetensors`,
    'b',
    compareSources(tensors(['3f800000', '3f800000'], name), tensors(['3f800000', '3f800001'], name)),
  )
  expect(text).not.toMatch(/[\u001b\u0007\u202e]/)
  expect(text).toContain('␛]0;owned␇⟨U+202E⟩gpj')
})

test('traces that part are told by checkpoint', () => {
  const checkpoint = (digit: string) => {
    return {
      seq: 0,
      step: 0,
      name: 'loss',
      dtype: 'f32' as const,
      shape: [],
      digest: `sha256:${digit.repeat(64)}` as const,
    }
  }
  const [a, b] = ['a', 'b'].map((digit) => ({ kind: 'trace' as const, trace: createTrace([checkpoint(digit)]) }))
  if (!a || !b) throw new Error('two traces')
  const text = formatDiff('a.jsonl', 'b.jsonl', compareSources(a, b))
  expect(text).toContain('1 and 1 checkpoints; 0 equal before the first difference')
  const noted = compareSources(a, { ...b, note: 'cell c-1 disagrees with itself' })
  expect(formatDiff('a', 'b', noted)).toContain('a and b differ\ncell c-1 disagrees with itself\n')
  expect(text).toContain(`  b  loss  step 0  f32[]  sha256:${'b'.repeat(64)}`)
})

test.each([
  ['arm-sign', 'NaN against NaN (sign)'],
  ['payload', 'NaN against NaN (payload)'],
  ['became-number', 'NaN against number'],
])('a figure that does not exist is not measured: case nan/%s', async (name, kind) => {
  const folder = join(import.meta.dirname, '../../test/fixtures/cases/nan')
  const text = formatDiff('a', 'b', await compareFiles(join(folder, 'x86.npy'), join(folder, `${name}.npy`)))
  expect(text).toContain(
    `f32[5]: 1 of 5 elements differ (20.0 %): ${kind}, largest distance not measured, relative L2 not measured\n`,
  )
  expect(text).toContain('largest distance: not measured, every pair that differs has a NaN\n')
  expect(text).toContain(`differing elements by kind:\n  1  ${kind}\n`)
  expect(text).not.toMatch(/\b0 ULP/)
})

test('infinite is a word, and integers have no word of distance', () => {
  const one = (dtype: 'f64' | 'i32', bits: string): ComparisonSource => {
    return { kind: 'tensors', tensors: new Map([['', tensorFromBits(dtype, [1], [bits])]]) }
  }
  const infinite = compareSources(one('f64', '0000000000000001'), one('f64', 'bec0000000000000'))
  expect(formatDiff('a', 'b', infinite)).toContain('relative L2 infinite\n')
  const integers = formatDiff('a', 'b', compareSources(one('i32', '00000003'), one('i32', '00000004')))
  expect(integers).toContain('i32[1]: 1 of 1 elements differ (100 %): another integer\n')
  expect(integers).not.toMatch(/ULP|L2|distance/)
})

test('two sides with nothing in them are not called identical', () => {
  const empty: ComparisonSource = { kind: 'tensors', tensors: new Map() }
  expect(formatDiff('a.npz', 'b.npz', compareSources(empty, empty))).toBe(
    'a.npz and b.npz: nothing compared: neither has an array\n',
  )
  const trace: ComparisonSource = { kind: 'trace', trace: createTrace([]) }
  expect(formatDiff('a.jsonl', 'b.jsonl', compareSources(trace, trace))).toBe(
    'a.jsonl and b.jsonl: nothing compared: neither has a checkpoint\n',
  )
})
