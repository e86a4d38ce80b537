import { describe, expect, it } from 'vitest'
import type { Knobs } from '../../shared/condition.ts'
import { type CountedCell, countTrialPairs } from './trial-pairs.ts'

interface Asked {
  readonly agent?: string
  readonly n?: number
  readonly seed?: string
  readonly device?: string
  readonly emulator?: string
}

function cell(backend: string, knobs: Knobs = {}, asked: Asked = {}): CountedCell {
  const { agent = 'a', n = 1, seed = '1', device = 'cpu', emulator } = asked
  const condition = { backend, device, knobs }
  return { agent, workload: 'reduce.sum', params: { n }, seed, condition, emulator }
}

describe('the (setting, workload) pairs of a plan', () => {
  it.each<[string, CountedCell[], number]>([
    ['no cell', [], 0],
    ['one condition', [cell('js')], 0],
    ['one condition under three seeds', ['1', '2', '3'].map((seed) => cell('js', {}, { seed })), 0],
    ['two libraries', [cell('js'), cell('libm')], 1],
    ['a knob, where left out is a level', [cell('js'), cell('js', { order: 'exact' })], 1],
    ['a knob with one level', [cell('js', { order: 'exact' })], 0],
    ['two libraries, and a knob with one level', [cell('tfjs-cpu'), cell('tfjs-wasm', { threads: 1 })], 1],
    [
      'two libraries and two knobs',
      [cell('js'), ...[1, 2].flatMap((a) => [1, 2].map((b) => cell('openblas', { a, b })))],
      3,
    ],
    ['two versions', [cell('js@22'), cell('js@24')], 1],
    ['a processor', [cell('js@22'), cell('js@22-arm64', {}, { emulator: 'qemu' })], 2],
    ['a knob of each of two versions', ['js@22', 'js@24'].flatMap((id) => [cell(id), cell(id, { jit: 'off' })]), 3],
    ['two machines', [cell('js'), cell('js', {}, { agent: 'b' })], 1],
    ['two devices of a machine', [cell('js'), cell('js', {}, { device: 'gpu0' })], 1],
    ['two workloads', [1, 2].flatMap((n) => [cell('js', {}, { n }), cell('libm', {}, { n })]), 2],
    ['a setting that only other seeds vary', [cell('js'), cell('libm', {}, { seed: '2' })], 0],
    ['a setting that only other agents vary', [cell('js'), cell('libm', {}, { agent: 'b' })], 1],
  ])('%s', (_, cells, pairs) => {
    expect(countTrialPairs(cells)).toBe(pairs)
  })

  it('counts the machine of cells that will be joined with those of others', () => {
    expect(countTrialPairs([cell('js')], true)).toBe(1)
    expect(countTrialPairs([cell('js'), cell('js', {}, { agent: 'b' })], true)).toBe(1)
  })

  it('counts a setting once a workload, over agents and seeds', () => {
    const cells = ['a', 'b'].flatMap((agent) =>
      ['1', '2', '3'].flatMap((seed) => [cell('js', {}, { agent, seed }), cell('libm', {}, { agent, seed })]),
    )
    // backend and machine
    expect(countTrialPairs(cells)).toBe(2)
  })
})
