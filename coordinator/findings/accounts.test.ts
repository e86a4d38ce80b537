import { describe, expect, it } from 'vitest'
import { type CellSketch, times, trialCell } from '../../test/controls/trial-cells.ts'
import { accountsForAll } from './accounts.ts'
import { findSilence } from './silence.ts'

const accounts = (sketches: readonly CellSketch[], ...claimed: string[]) => {
  const cells = sketches.map(trialCell)
  return accountsForAll(cells, new Set(claimed), findSilence(cells))
}
const js = (order: string, trace: string, more: Partial<CellSketch> = {}): CellSketch => ({
  knobs: { order },
  traces: times(3, trace),
  ...more,
})

describe('the settings that account for every difference', () => {
  const here = [js('exact', 'A'), js('reverse', 'B')]

  it('are those that the bits followed', () => {
    expect(accounts(here, 'js.order')).toBe(true)
    expect(accounts(here)).toBe(false)
    expect(accounts(here, 'js.jit')).toBe(false)
    expect(accounts([js('exact', 'A'), js('reverse', 'A')])).toBe(true)
    expect(accounts([])).toBe(true)
  })

  it('leave open what no single change reached', () => {
    const wasm = (variant: string, trace: string) => js('', trace, { backend: 'tfjs-wasm', knobs: { variant } })
    const cells = [js('', 'A', { backend: 'tfjs-cpu', knobs: {} }), wasm('plain', 'B'), wasm('simd', 'C')]
    expect(accounts(cells, 'tfjs-wasm.variant')).toBe(false)
    expect(accounts(cells, 'tfjs-wasm.variant', 'backend')).toBe(true)
  })

  it('leave open machines that differ under the same setting', () => {
    const there = (a: string, b: string) => [js('exact', a, { agent: 'b' }), js('reverse', b, { agent: 'b' })]
    expect(accounts([...here, ...there('A', 'B')], 'js.order')).toBe(true)
    expect(accounts([...here, ...there('A', 'C')], 'js.order')).toBe(false)
    // A machine that ran one of the values alone, and has the other one's bits.
    expect(accounts([...here, js('exact', 'B', { agent: 'b' })], 'js.order')).toBe(false)
    expect(accounts([...here, js('reverse', 'B', { agent: 'b' })], 'js.order')).toBe(true)
  })

  it('leave open what a knob of the same name does in another library', () => {
    const cells = [...here, js('exact', 'A', { backend: 'c' }), js('reverse', 'B', { backend: 'c' })]
    expect(accounts(cells, 'js.order')).toBe(false)
    expect(accounts(cells, 'js.order', 'c.order')).toBe(true)
  })

  it('do not have to account for a cell that disagrees with itself', () => {
    expect(accounts([...here, js('atomic:4', '', { traces: ['A', 'D'] })], 'js.order')).toBe(true)
  })

  it('may be several', () => {
    const version = (backend: string, jit: string, trace: string) =>
      js('', trace, { backend, version: backend, knobs: { jit } })
    const cells = [
      version('js@22', 'off', 'A'),
      version('js@24', 'off', 'B'),
      version('js@22', 'on', 'A'),
      version('js@24', 'on', 'C'),
    ]
    expect(accounts(cells, 'js version')).toBe(false)
    expect(accounts(cells, 'js version', 'js.jit')).toBe(true)
  })
})
