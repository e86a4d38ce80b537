import { describe, expect, it } from 'vitest'
import { type CellSketch, trialCell } from '../../test/controls/trial-cells.ts'
import { findSilence } from './silence.ts'

const cell = (id: string, traces: string[], sketch: Partial<CellSketch> = {}) =>
  trialCell({ id, traces, knobs: { order: 'atomic:4' }, ...sketch })
const unstable = cell('unstable', ['x', 'y', 'x'])

const whyOf = (cells: Parameters<typeof findSilence>[0]) => {
  const silence = findSilence(cells)
  return Object.fromEntries(cells.map(({ id }) => [id, silence.reason(id)?.why]))
}

describe('cells that are no evidence', () => {
  it('are those that disagree with themselves', () => {
    expect(whyOf([unstable, cell('stable', ['x', 'x'], { knobs: { order: 'exact' } })])).toEqual({
      unstable: 'disagrees with itself',
      stable: undefined,
    })
  })

  it('are those of the same condition, workload and machine, under other seeds and parameters', () => {
    const cells = [
      unstable,
      cell('seed', ['x', 'x'], { seed: '2' }),
      cell('parameters', ['x', 'x'], { row: 'sum of 16', workload: 'sum' }),
      cell('workload', ['x', 'x'], { row: 'dot' }),
      cell('agent', ['x', 'x'], { agent: 'b' }),
      cell('device', ['x', 'x'], { device: 'gpu0' }),
      cell('backend', ['x', 'x'], { backend: 'js@22' }),
      cell('more knobs', ['x', 'x'], { knobs: { order: 'atomic:4', jit: 'off' } }),
    ]
    expect(whyOf(cells)).toEqual({
      unstable: 'disagrees with itself',
      seed: 'nondeterministic condition',
      parameters: 'nondeterministic condition',
      workload: undefined,
      agent: undefined,
      device: undefined,
      backend: undefined,
      'more knobs': undefined,
    })
    expect(findSilence(cells).reason('seed')).toEqual({ why: 'nondeterministic condition', cell: 'unstable' })
  })

  it('are those of any machine, once two machines show it', () => {
    const second = cell('second', ['x', 'z'], { agent: 'b', seed: '2' })
    const third = cell('third', ['x', 'x'], { agent: 'c' })
    const dot = cell('dot', ['x', 'x'], { agent: 'c', row: 'dot' })
    expect(whyOf([unstable, third, dot])).toMatchObject({ third: undefined })
    const silence = findSilence([unstable, second, third, dot])
    expect(silence.reason('third')).toEqual({ why: 'nondeterministic on two machines', cells: ['unstable', 'second'] })
    expect(silence.reason('dot')).toBeUndefined()
  })

  it('are those of any card, once two cards of one agent show it, since each card is a machine', () => {
    const card = (at: number, traces: string[]) => cell(`gpu${at}`, traces, { device: `gpu${at}` })
    const processor = cell('cpu', ['x', 'x'])
    expect(whyOf([card(0, ['x', 'y']), card(1, ['x', 'x']), processor])).toEqual({
      gpu0: 'disagrees with itself',
      gpu1: undefined,
      cpu: undefined,
    })
    expect(whyOf([card(0, ['x', 'y']), card(1, ['y', 'x']), card(7, ['x', 'x']), processor])).toEqual({
      gpu0: 'disagrees with itself',
      gpu1: 'disagrees with itself',
      gpu7: 'nondeterministic on two machines',
      cpu: undefined,
    })
  })

  it('do not depend on the order of knobs', () => {
    const one = cell('one', ['x', 'y'], { knobs: { a: 1, b: 2 } })
    const other = cell('other', ['x', 'x'], { knobs: { b: 2, a: 1 }, seed: '2' })
    expect(whyOf([one, other])).toMatchObject({ other: 'nondeterministic condition' })
  })

  it('tell the number 1 from the text 1', () => {
    const one = cell('one', ['x', 'y'], { knobs: { a: 1 } })
    expect(whyOf([one, cell('other', ['x', 'x'], { knobs: { a: '1' } })])).toMatchObject({ other: undefined })
  })

  it('are not those without an execution, or with one', () => {
    expect(whyOf([cell('none', []), cell('one', ['x'], { seed: '2' })])).toEqual({ none: undefined, one: undefined })
  })
})
