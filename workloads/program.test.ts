import { describe, expect, it } from 'vitest'
import { program } from './program.ts'

const refusal = (params: unknown) =>
  program.params
    .safeParse(params)
    .error?.issues.map(({ message }) => message)
    .join()

describe('what a plan may say of a program', () => {
  it('is its name, and texts, finite numbers and truth values', () => {
    const params = { name: 'digits', epochs: 3, rate: 0.5, data: 'a b', quick: true }
    expect(program.params.parse(params)).toEqual(params)
    expect(program.schema).toBeUndefined()
  })

  it.each([
    ['no name', { epochs: 1 }, /the listed program that is meant/],
    ['a path for a name', { name: '../digits' }, /small letters/],
    ['a list', { name: 'digits', sizes: [1, 2] }, /a text, a finite number, true or false/],
    ['infinity', { name: 'digits', rate: Number.POSITIVE_INFINITY }, /a finite number/],
    ['a long text', { name: 'digits', text: 'ü'.repeat(513) }, /at most 1024 bytes/],
    ['a NUL', { name: 'digits', text: 'a\0b' }, /without NUL/],
    ['what no variable can be called', { name: 'digits', 'a-b': 1 }, /letters, digits and underscores/],
    [
      'too much',
      { name: 'digits', ...Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`p${i}`, i])) },
      /at most 64/,
    ],
  ])('is not %s', (_, params, message) => expect(refusal(params)).toMatch(message))
})

describe('running it', () => {
  const context = {
    ...{ params: { name: 'digits', epochs: 3 }, seed: '42', kernels: {} },
    input: () => expect.fail('it has no inputs'),
    checkpoint: () => expect.fail('nothing runs'),
  }

  it('is unsupported by a library, and by another program', async () => {
    expect(await program.run({ ...context, backend: 'js' })).toMatchObject({
      unsupported: expect.stringMatching(/js is a library/) as string,
    })
    const other = { name: 'letters', run: () => expect.fail('it is another') }
    expect(await program.run({ ...context, backend: 'letters@2', program: other })).toEqual({
      unsupported: 'letters@2 is the program letters, not digits; say `backend: [digits]` for it',
    })
  })

  it('gives it what the plan says, without the name', async () => {
    const runs: unknown[] = []
    const listed = { name: 'digits', run: async (...run: unknown[]) => void runs.push(run.slice(0, 2)) }
    expect(await program.run({ ...context, backend: 'digits@2', program: listed })).toBeUndefined()
    expect(runs).toEqual([[{ epochs: 3 }, '42']])
  })
})
