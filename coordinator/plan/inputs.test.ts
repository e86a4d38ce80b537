import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { cellInputs } from '../../shared/cell.ts'
import { digestOf } from '../../shared/digest.ts'
import { formatNpy } from '../../shared/npy.ts'
import { createTensor } from '../../shared/tensor.ts'
import { syntheticAgent } from '../../test/synthetic-run.ts'
import { expandPlan } from './expand.ts'
import { collectInputs, pinArrays } from './inputs.ts'
import { parsePlan } from './parse.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-arrays-'))
afterAll(() => rmSync(folder, { recursive: true }))

const bytes = Uint8Array.from({ length: 64 }, (_, i) => (i % 4 === 3 ? 0x3f : i))
const digest = digestOf(bytes)
const write = (name: string, dtype: 'f32' | 'f64', shape: number[]) =>
  writeFileSync(join(folder, name), formatNpy(createTensor(dtype, shape, bytes)))
write('wide.npy', 'f32', [2, 8])
write('square.npy', 'f32', [4, 4])
write('tall.npy', 'f32', [8, 2])
write('double.npy', 'f64', [8])

const input = (file: string, more = '') => `{ file: ${file}, digest: "${digest}"${more} }`
const planOf = (...entries: string[]) =>
  parsePlan(
    `name: t\nseed: 1\nrepetitions: 2\nworkloads:\n${entries.map((e) => `  - ${e}\n`).join('')}factors: { backend: [js] }\n`,
    'p.yaml',
  )
const softmax = (file: string, more = '') => `nn.softmax: { dtype: f32, input: ${input(file, more)} }`
const sum = (dtype: string, file: string) => `reduce.sum: { dtype: ${dtype}, input: ${input(file)} }`

/** What each cell of a plan is given, as its agent gets it. */
async function given(plan: ReturnType<typeof planOf>) {
  const collected = await collectInputs(plan, folder)
  const { plan: pinned, inputs } = pinArrays(plan, collected.inputs)
  return expandPlan(pinned, [syntheticAgent('a')]).cells.map((cell) => ({
    id: cell.id,
    params: cell.params,
    arrays: cellInputs(cell, inputs).map(({ dtype, shape }) => `${dtype}[${shape}]`),
  }))
}

describe("users' arrays with equal bytes", () => {
  it('keep their own shapes and dtypes, in one plan and in one cell', async () => {
    const cells = await given(
      planOf(
        softmax('wide.npy'),
        softmax('square.npy'),
        `linalg.gemm: { dtype: f32, input: ${input('wide.npy')}, inputB: ${input('tall.npy')} }`,
        sum('f32', 'wide.npy'),
        sum('f64', 'double.npy'),
      ),
    )
    expect(cells.map(({ arrays }) => arrays)).toEqual([
      ['f32[2,8]'],
      ['f32[4,4]'],
      ['f32[2,8]', 'f32[8,2]'],
      ['f32[2,8]'],
      ['f64[8]'],
    ])
    expect(cells[0]?.params).toEqual({
      dtype: 'f32',
      input: { file: 'wide.npy', digest, dtype: 'f32', shape: [2, 8] },
    })
  })

  it('change no cell of a plan in which there is only one of them', async () => {
    const plan = planOf(softmax('wide.npy'), sum('f32', 'wide.npy'))
    const cells = await given(plan)
    expect(cells.map(({ params }) => params)).toEqual(plan.workloads.map(({ params }) => params))
    expect(cells.map(({ arrays }) => arrays)).toEqual([['f32[2,8]'], ['f32[2,8]']])
    // The id that version 0.1 gave.
    expect(cells[0]?.id).toBe('c-2d0d239ae55b')
  })

  it('are told apart by the dtype and shape that a plan gives, which must be those of the file', async () => {
    const cells = await given(planOf(softmax('wide.npy', ', dtype: f32, shape: [2, 8]'), softmax('square.npy')))
    expect(cells.map(({ arrays }) => arrays)).toEqual([['f32[2,8]'], ['f32[4,4]']])
    await expect(given(planOf(softmax('wide.npy', ', shape: [4, 4]')))).rejects.toThrow(
      /p\.yaml:5: wide\.npy holds f32\[2,8\], the plan pins any dtype\[4,4\]/,
    )
    expect(() => planOf(softmax('wide.npy', ', shape: 16'))).toThrow(/p\.yaml:5: .*shape/)
  })

  it('are not guessed if they come without their names', () => {
    const plan = planOf(softmax('wide.npy'))
    const [wide, square] = [
      [2, 8],
      [4, 4],
    ].map((shape) => ({ digest, dtype: 'f32' as const, shape }))
    if (!wide || !square) throw new Error('no arrays')
    expect(pinArrays(plan, [wide]).inputs).toEqual([wide])
    expect(
      pinArrays(plan, [
        { ...square, file: 'square.npy' },
        { ...wide, file: 'wide.npy' },
      ]).inputs,
    ).toEqual([wide])
    expect(() => pinArrays(plan, [wide, square])).toThrow(
      /p\.yaml:5: wide\.npy may be f32\[2,8\] or f32\[4,4\], which have the same bytes/,
    )
    expect(() => pinArrays(plan, [])).toThrow(/p\.yaml:5: dtype and shape of wide\.npy were not sent along/)
  })
})

describe("a user's array that cannot be used is an error before anything runs", () => {
  it.each([
    ['another dtype', sum('f64', 'wide.npy'), /^p\.yaml:5: wide\.npy holds f32 and dtype is f64/],
    [
      'matrices that do not fit',
      `linalg.gemm: { dtype: f32, input: ${input('square.npy')}, inputB: ${input('wide.npy')} }`,
      /^p\.yaml:5: the first matrix has 4 columns and the second 2 rows/,
    ],
    ['no file', sum('f32', 'none.npy'), /^p\.yaml:5: none\.npy does not exist/],
  ])('%s', async (_, entry, message) => {
    await expect(collectInputs(planOf(entry), folder)).rejects.toThrow(message)
  })

  it('also where the coordinator is told of it', () => {
    const plan = planOf(sum('f64', 'wide.npy'))
    expect(() => pinArrays(plan, [{ digest, dtype: 'f32', shape: [16], file: 'wide.npy' }])).toThrow(
      /^p\.yaml:5: wide\.npy holds f32/,
    )
  })
})
