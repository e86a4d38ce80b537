import { describe, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { createTrace } from '../../shared/trace.ts'
import { compareInputs, inputPositions } from './input-places.ts'

/** Checkpoints as `step name contents`; a contents of `*` at the end makes one an input. */
function side(...lines: string[]) {
  const positions = lines.flatMap((line, i) => (line.endsWith('*') ? [i] : []))
  const checkpoints = lines.map((line, seq) => {
    const [step, name, contents = ''] = line.replace(/ ?\*$/, '').split(' ')
    const [dtype, shape] = contents.includes(':') ? contents.split(':') : ['f32', '2']
    const digest = digestOf(contents.split(':').at(-1) ?? '')
    return { seq, step: Number(step), name: name as string, dtype: dtype as 'f32', shape: [Number(shape)], digest }
  })
  return { trace: createTrace(checkpoints), positions }
}
const named = (places: readonly { step: number; name: string }[]) => places.map(({ step, name }) => `${step} ${name}`)

describe('the inputs of classes', () => {
  it('are equal if all have the same arrays at the same places', () => {
    const found = compareInputs([
      side('0 x a *', '0 w b *', '1 sum c'),
      side('0 x a *', '0 w b *', '1 sum d'),
      side('0 x a *', '0 w b *', '1 other e'),
    ])
    expect(named(found.places)).toEqual(['0 x', '0 w'])
    expect(found).toMatchObject({ equal: true, parting: [], following: [] })
  })

  it('part the classes where nothing before them differs', () => {
    const found = compareInputs([side('0 x a *', '0 w b *', '1 sum c'), side('0 x a *', '0 w z *', '1 sum d')])
    expect(found.equal).toBe(false)
    expect(named(found.parting)).toEqual(['0 w'])
    expect(found.following).toEqual([])
  })

  it('differ by their dtype or shape alone, too', () => {
    for (const other of ['bf16:2:a', 'f32:4:a']) {
      const found = compareInputs([side('0 x f32:2:a *'), side(`0 x ${other} *`)])
      expect(named(found.parting)).toEqual(['0 x'])
      const later = compareInputs([side('0 y b', '1 x f32:2:a *'), side('0 y c', `1 x ${other} *`)])
      expect(named(later.following)).toEqual(['1 x'])
    }
  })

  it('follow what differs first: the second model of a training is given what the first one made', () => {
    const found = compareInputs([
      side('0 x a *', '1 forward/generator b', '1 input/discriminator c *', '1 loss d'),
      side('0 x a *', '1 forward/generator e', '1 input/discriminator f *', '1 loss g'),
    ])
    expect(found.equal).toBe(false)
    expect(found.parting).toEqual([])
    expect(named(found.following)).toEqual(['1 input/discriminator'])
  })

  it('are found among many classes, in whichever of them they part', () => {
    const found = compareInputs([
      side('0 x a *', '1 sum c', '2 x d *'),
      side('0 x a *', '1 sum e', '2 x d *'),
      side('0 x a *', '1 sum e', '2 x f *'),
    ])
    // The last two differ at the second batch and at nothing else.
    expect(named(found.parting)).toEqual(['2 x'])
    expect(found.equal).toBe(false)
  })

  it('part the classes also where one of them calls the array by another role', () => {
    for (const sides of [
      [side('0 x a *', '1 sum c'), side('0 x b', '1 sum d')],
      [side('0 x a', '1 sum c'), side('0 x b *', '1 sum d')],
    ]) {
      const found = compareInputs(sides)
      expect(named(found.parting)).toEqual(['0 x'])
      expect(found.following).toEqual([])
    }
    // Equal arrays of other roles are not the same inputs, and yet nothing differs there.
    expect(compareInputs([side('0 x a *', '1 sum c'), side('0 x a', '1 sum d')])).toMatchObject({
      equal: false,
      parting: [],
    })
  })

  it('are not equal if a class lacks one', () => {
    const found = compareInputs([side('0 x a *', '1 y b', '2 x c *'), side('0 x a *', '1 y b')])
    expect(found.equal).toBe(false)
    expect(named(found.following)).toEqual(['2 x'])
  })

  it('keep their places when one side traces more before them', () => {
    const found = compareInputs([side('0 x a *', '1 y b', '2 x c *'), side('0 x a *', '1 more m', '1 y b', '2 x c *')])
    expect(found).toMatchObject({ equal: true, parting: [], following: [] })
  })

  it('are none where nobody says so', () => {
    expect(compareInputs([side('0 x a'), side('0 x b')])).toEqual({
      ...{ places: [], equal: true, parting: [], following: [] },
    })
  })
})

describe('which checkpoints are inputs', () => {
  const program = { workload: 'program', workloadVersion: 1, params: { name: 'x' } }

  it('says the schema of a workload that has one, whatever executions say', () => {
    const params = { dtype: 'f32', n: 4, data: 'uniform' }
    const cell = { workload: 'reduce.sum', workloadVersion: 1, params }
    expect(inputPositions(cell, [], [{ inputs: [1] }])).toEqual({ positions: [0], disputed: false })
    expect(inputPositions({ ...cell, params: { n: 'many' } }, [], [{}])).toEqual({ positions: [], disputed: false })
  })

  it('say the executions of a program, and nobody says of an older one', () => {
    expect(inputPositions(program, [], [{ inputs: [0, 3] }, { inputs: [0, 3] }])).toEqual({
      ...{ positions: [0, 3], disputed: false },
    })
    expect(inputPositions(program, [], [{}, {}])).toEqual({ positions: [], disputed: false })
  })

  it('is what all executions of equal traces say, and a dispute is told', () => {
    expect(inputPositions(program, [], [{ inputs: [0, 1, 2] }, { inputs: [0, 2] }, { inputs: [0, 1] }])).toEqual({
      ...{ positions: [0], disputed: true },
    })
    expect(inputPositions(program, [], [{ inputs: [0] }, {}])).toEqual({ positions: [], disputed: true })
  })

  it('is unknown of a workload that this coordinator does not have at this version', () => {
    const cell = { workload: 'reduce.sum', workloadVersion: 99, params: {} }
    expect(inputPositions(cell, [], [{}])).toEqual({ positions: [], disputed: false })
  })
})
