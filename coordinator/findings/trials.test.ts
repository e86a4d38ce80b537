import { describe, expect, it } from 'vitest'
import { type CellSketch, times, trialCell } from '../../test/controls/trial-cells.ts'
import type { KnobState } from './trial-cell.ts'
import { findSilence } from './silence.ts'
import { judgeSettings } from './trials.ts'

const judge = (sketches: readonly CellSketch[], pairs = 1) => {
  const cells = sketches.map(trialCell)
  return judgeSettings(cells, findSilence(cells), pairs)
}
const named = (sketches: readonly CellSketch[], setting: string, pairs = 1) =>
  judge(sketches, pairs).find((result) => result.setting === setting)
const js = (order: string | undefined, trace: string, more: Partial<CellSketch> = {}): CellSketch => ({
  knobs: order === undefined ? {} : { order },
  traces: times(3, trace),
  ...more,
})

describe('one trial', () => {
  it('is claimed with enough executions', () => {
    expect(judge([js('exact', 'A'), js('reverse', 'B')])).toMatchObject([
      {
        setting: 'js.order',
        knob: 'order',
        row: 'sum',
        bits: 'followed',
        strength: 'claimed',
        trials: 1,
        followed: 1,
        alike: 1,
        executions: 3,
        needs: 3,
      },
    ])
  })

  it('is seen with fewer, and says how many it needs', () => {
    const cells = [js('exact', 'A', { traces: ['A', 'A'] }), js('reverse', 'B')]
    expect(judge(cells)).toMatchObject([{ bits: 'followed', strength: 'seen', executions: 2, needs: 3 }])
    expect(judge([js('exact', 'A'), js('reverse', 'B')], 10)).toMatchObject([{ strength: 'seen', needs: 5 }])
  })

  it('is seen, not claimed, if the cells ran once', () => {
    const once = (order: string, trace: string) => js(order, trace, { traces: [trace] })
    expect(judge([once('exact', 'A'), once('reverse', 'B')])).toMatchObject([{ strength: 'seen', executions: 1 }])
  })

  it('of equal bits says that they stayed', () => {
    const [result] = judge([js('exact', 'A'), js('reverse', 'A'), js(undefined, 'A')])
    expect(result).toMatchObject({ bits: 'stayed', trials: 1, stayed: 1, followed: 0, executions: 3 })
    expect(result).not.toHaveProperty('strength')
  })

  it('is nothing if the plan has one value, or only one of its cells ran', () => {
    expect(judge([js('exact', 'A')])).toEqual([])
    expect(judge([js('exact', 'A'), js('reverse', 'B', { traces: [] })])).toEqual([])
  })

  it('is judged among as many pairs as there are, whatever the plan counted', () => {
    const rows = Array.from({ length: 10 }, (_, i) =>
      ['exact', 'reverse'].map((o) => js(o, o, { row: String(i) })),
    ).flat()
    expect(new Set(judge(rows, 1).map((result) => 'strength' in result && result.strength))).toEqual(new Set(['seen']))
  })

  it('holds cells of one agent, seed, device, row and backend that are alike in all else', () => {
    const other: Partial<CellSketch>[] = [
      { agent: 'b' },
      { seed: '2' },
      { device: 'gpu0' },
      { row: 'dot' },
      { knobs: { order: 'reverse', jit: 'off' } },
    ]
    for (const more of other) expect(judge([js('exact', 'A'), js('reverse', 'B', more)])).toEqual([])
    expect(
      named([js('exact', 'A'), js('reverse', 'B', { backend: 'js@22', version: '22' })], 'js.order'),
    ).toBeUndefined()
  })
})

describe('a cell that disagrees with itself', () => {
  const random = (order: string, more: Partial<CellSketch> = {}) =>
    js(order, '', { traces: ['x', 'y', 'z', 'x'], ...more })
  const four = (order: string, trace: string, more: Partial<CellSketch> = {}) =>
    js(order, trace, { traces: times(4, trace), ...more })

  it('explains nothing, and the rest of its trial needs more executions', () => {
    const cells = [js('exact', 'A'), js('reverse', 'B'), random('atomic:4')]
    expect(judge(cells)).toMatchObject([{ bits: 'followed', strength: 'seen', executions: 3, needs: 4 }])
    expect(judge([four('exact', 'A'), four('reverse', 'B'), random('atomic:4')])).toMatchObject([
      { strength: 'claimed', executions: 4, example: { looks: 3 } },
    ])
  })

  it('leaves nothing if it leaves one level', () => {
    const [result] = judge([js('exact', 'A'), random('atomic:4')])
    expect(result).toMatchObject({ bits: 'silenced', silenced: 1, followed: 0, stayed: 0 })
    expect(result?.example.levels.map(({ silenced }) => silenced.length)).toEqual([0, 1])
  })

  it('silences its condition in other seeds, whose trials still count as tries', () => {
    // Seed 2 alone would be claimed: its two cells agree with themselves four times each, and differ.
    const seed2 = [four('exact', 'A', { seed: '2' }), four('reverse', 'B', { seed: '2' })]
    expect(judge(seed2)).toMatchObject([{ strength: 'claimed' }])
    expect(judge([random('exact'), random('reverse'), ...seed2])).toMatchObject([
      { bits: 'silenced', trials: 2, silenced: 2 },
    ])
    const cells = [random('exact', { agent: 'b' }), random('reverse', { agent: 'b' }), ...seed2]
    expect(judge(cells, 6)).toMatchObject([{ bits: 'followed', strength: 'seen', trials: 2, silenced: 1, needs: 5 }])
    expect(judge(seed2, 6)).toMatchObject([{ strength: 'claimed' }])
  })

  it('on two agents silences its condition on all', () => {
    const on = (agent: string) => [random('exact', { agent }), random('reverse', { agent })]
    const steady = [four('exact', 'A', { agent: 'c' }), four('reverse', 'B', { agent: 'c' })]
    expect(judge([...on('a'), ...steady])).toMatchObject([{ bits: 'followed' }])
    expect(judge([...on('a'), ...on('b'), ...steady])).toMatchObject([{ bits: 'silenced', silenced: 3 }])
  })
})

describe('trials of one setting in one workload', () => {
  const pair = (seed: string, [a, b]: readonly [string, string], executions = 3) => [
    js('exact', a, { seed, traces: times(executions, a) }),
    js('reverse', b, { seed, traces: times(executions, b) }),
  ]

  it('are judged together, over agents, seeds and other settings', () => {
    const two = [...pair('1', ['A', 'B']), ...pair('2', ['A', 'A'])]
    expect(judge(two)).toMatchObject([{ strength: 'seen', trials: 2, followed: 1, stayed: 1, needs: 4 }])
    expect(judge([...pair('1', ['A', 'B'], 4), ...pair('2', ['A', 'A'], 4)])).toMatchObject([{ strength: 'claimed' }])
    expect(judge([...pair('1', ['A', 'B']), ...pair('2', ['C', 'D'])])).toMatchObject([
      { strength: 'claimed', executions: 3, needs: 3, alike: 2 },
    ])
  })

  it('are not told from each other by traces, which other inputs change, but by what is equal', () => {
    const three = (seed: string, traces: readonly string[]) =>
      ['exact', 'reverse', 'pairwise'].map((order, i) =>
        js(order, traces[i] as string, { seed, traces: times(3, traces[i] as string) }),
      )
    expect(judge([...three('1', ['A', 'B', 'B']), ...three('2', ['C', 'D', 'D'])])).toMatchObject([
      { strength: 'claimed', alike: 2 },
    ])
    expect(judge([...three('1', ['A', 'B', 'B']), ...three('2', ['C', 'C', 'D'])])).toMatchObject([
      { strength: 'seen', alike: 1, followed: 2 },
    ])
  })

  it('show the partition that is claimed before the one that more trials show', () => {
    const order = (seed: string, traces: readonly string[], executions: number) =>
      ['exact', 'reverse', 'pairwise'].map((name, i) =>
        js(name, '', { seed, traces: times(executions, traces[i] as string) }),
      )
    const cells = [
      ...order('1', ['A', 'B', 'B'], 2),
      ...order('2', ['A', 'B', 'B'], 2),
      ...order('3', ['A', 'A', 'B'], 6),
    ]
    expect(judge(cells)).toMatchObject([{ strength: 'claimed', alike: 1, executions: 6, example: { seed: '3' } }])
  })

  it('are apart for each workload with its parameters', () => {
    const rows = [...pair('1', ['A', 'B']), ...pair('1', ['A', 'A']).map((cell) => ({ ...cell, row: 'sum of 16' }))]
    expect(judge(rows).map(({ row, bits }) => [row, bits])).toEqual([
      ['sum', 'followed'],
      ['sum of 16', 'stayed'],
    ])
  })
})

describe('levels go by the value in force', () => {
  const blas = (
    coreType: string | undefined,
    inForce: string | undefined,
    trace: string,
    state: KnobState = { state: 'in force' },
  ): CellSketch => ({
    backend: 'openblas',
    knobs: coreType === undefined ? {} : { coreType },
    effective: inForce === undefined ? {} : { coreType: inForce },
    states: coreType === undefined ? {} : { coreType: state },
    traces: times(3, trace),
  })
  const replaced = (by: string): KnobState => ({ state: 'replaced', by })

  it('so a value replaced by the one of leaving it out is no trial', () => {
    expect(judge([blas(undefined, 'Haswell', 'A'), blas('NEOVERSEN1', 'Haswell', 'A', replaced('Haswell'))])).toEqual(
      [],
    )
    // Not even if the bits differ: then what is read back does not tell what was in force.
    expect(judge([blas(undefined, 'Haswell', 'A'), blas('NEOVERSEN1', 'Haswell', 'B', replaced('Haswell'))])).toEqual(
      [],
    )
  })

  it('as the library writes it', () => {
    expect(judge([blas(undefined, 'Haswell', 'A'), blas('HASWELL', 'Haswell', 'B')])).toEqual([])
  })

  it('so a value replaced by another one is a level of that', () => {
    const [result] = judge([
      blas(undefined, 'SkylakeX', 'A'),
      blas('NEOVERSEN1', 'Cooperlake', 'B', replaced('Cooperlake')),
      blas('Cooperlake', 'Cooperlake', 'B'),
    ])
    expect(result).toMatchObject({ bits: 'followed', strength: 'claimed' })
    expect(result?.example.levels.map(({ value, allAsked, state }) => [value, allAsked, state])).toEqual([
      ['SkylakeX', [undefined], 'left out'],
      ['Cooperlake', ['NEOVERSEN1', 'Cooperlake'], 'replaced'],
    ])
  })

  it('so cells of one level that differ make it unclear what matters', () => {
    const same = [blas('A1', 'Haswell', 'A', replaced('Haswell')), blas('A2', 'Haswell', 'B', replaced('Haswell'))]
    expect(judge([blas(undefined, 'Zen', 'A'), ...same])).toMatchObject([
      { bits: 'unclear', unclear: 1, followed: 0, stayed: 0 },
    ])
    expect(judge([blas(undefined, 'Zen', 'C'), ...same])).toMatchObject([{ bits: 'followed' }])
  })

  it('and what is not read back is a level of its own, marked unknown', () => {
    const unknown: KnobState = { state: 'unknown' }
    const [result] = judge([
      blas('1', undefined, 'A', unknown),
      blas('4', undefined, 'B', unknown),
      blas(undefined, undefined, 'A'),
    ])
    expect(result).toMatchObject({ bits: 'followed', strength: 'claimed' })
    expect(result?.levels.map(({ asked, value, state }) => [asked, value, state])).toEqual([
      ['1', undefined, 'unknown'],
      ['4', undefined, 'unknown'],
      [undefined, undefined, 'left out'],
    ])
    // A state that nobody gave is unknown, too.
    const none = { ...blas('1', '4', 'A'), states: {} }
    expect(judge([none, blas('4', '4', 'A')])[0]?.levels.map(({ state }) => state)).toEqual(['unknown', 'in force'])
  })
})

describe('settings that are no knobs', () => {
  const cell = (backend: string, trace: string, more: Partial<CellSketch> = {}): CellSketch => ({
    backend,
    version: backend,
    traces: times(4, trace),
    ...more,
  })
  const settingsOf = (cells: CellSketch[]) => judge(cells).map(({ setting, bits }) => [setting, bits])

  it('are the backend, also if one library has a knob with one value', () => {
    const wasm = (variant: string, trace: string) => cell('tfjs-wasm', trace, { knobs: { variant, threads: 1 } })
    expect(settingsOf([cell('tfjs-cpu', 'A'), cell('tfjs-wasm', 'B', { knobs: { threads: 1 } })])).toEqual([
      ['backend', 'followed'],
    ])
    expect(settingsOf([cell('tfjs-cpu', 'A'), wasm('plain', 'B'), wasm('simd', 'B')])).toEqual([
      ['tfjs-wasm.variant', 'stayed'],
      ['backend', 'followed'],
    ])
    expect(settingsOf([cell('tfjs-cpu', 'A'), wasm('plain', 'B'), wasm('simd', 'C')])).toEqual([
      ['tfjs-wasm.variant', 'followed'],
      ['backend', 'followed'],
    ])
    // One variant has the bits of the other library: the backend need not matter.
    expect(settingsOf([cell('tfjs-cpu', 'A'), wasm('plain', 'A'), wasm('simd', 'C')])).toEqual([
      ['tfjs-wasm.variant', 'followed'],
      ['backend', 'unclear'],
    ])
  })

  it('compare backends where no varied knob is set, if there is such a cell', () => {
    const cells = [cell('js', 'A'), cell('js', 'C', { knobs: { order: 'fma' } }), cell('tfjs-cpu', 'A')]
    expect(settingsOf(cells)).toEqual([
      ['js.order', 'followed'],
      ['backend', 'stayed'],
    ])
  })

  it('compare backends on one processor, never a native one with an emulated one', () => {
    expect(settingsOf([cell('js', 'A'), cell('tfjs-cpu-arm64', 'B', { emulator: 'qemu' })])).toEqual([])
  })

  it('are the version and the processor, each changed alone', () => {
    const both = (version: string, native: string, emulated: string) => [
      cell(`js@${version}`, native, { version }),
      cell(`js@${version}-arm64`, emulated, { version, emulator: 'qemu' }),
    ]
    expect(settingsOf([...both('22', 'A', 'B'), ...both('24', 'A', 'B')])).toEqual([
      ['js version', 'stayed'],
      ['js processor', 'followed'],
    ])
    expect(settingsOf([...both('22', 'A', 'A'), ...both('24', 'B', 'B')])).toEqual([
      ['js version', 'followed'],
      ['js processor', 'stayed'],
    ])
    // Two versions, each for a processor of its own: nothing was changed alone.
    expect(settingsOf([cell('js@22', 'A'), cell('js@24-arm64', 'B', { emulator: 'qemu' })])).toEqual([])
    // Two names of one build are one version. A new version is not another backend.
    expect(settingsOf([cell('js', 'A', { version: '22' }), cell('js@22', 'B', { version: '22' })])).toEqual([])
    expect(settingsOf([cell('js@22', 'A'), cell('js@24', 'B')])).toEqual([['js version', 'followed']])
  })

  it('name a knob by its library, over all its versions', () => {
    const cells = ['js@22', 'js@24'].flatMap((backend) => [
      cell(backend, 'A'),
      cell(backend, 'B', { knobs: { jit: 'off' } }),
    ])
    expect(judge(cells).find(({ setting }) => setting === 'js.jit')).toMatchObject({ trials: 2, followed: 2 })
  })
})
