import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KnobValue } from '../../shared/condition.ts'
import { type CellSketch, times, trialCell } from '../../test/controls/trial-cells.ts'
import { type KnobStatement, stateKnobs } from './knob-statements.ts'
import { findSilence, type Silence } from './silence.ts'
import { type KnobState, knobsKey, type TrialCell } from './trial-cell.ts'
import { judgeSettings } from './trials.ts'

function state(sketches: readonly CellSketch[]): KnobStatement[] {
  const cells = sketches.map(trialCell)
  const silence = findSilence(cells)
  return stateKnobs(cells, silence, judgeSettings(cells, silence, 1))
}

interface Blas {
  readonly asked?: string
  readonly inForce?: string
  readonly threads?: string
  readonly trace: string
  readonly state?: KnobState
  readonly more?: Partial<CellSketch>
}

/** OpenBLAS under a core type; left out, `Haswell` is in force. */
function blas({ asked, inForce = asked ?? 'Haswell', threads = '1', trace, state, more }: Blas): CellSketch {
  const readBack: KnobState = asked === inForce ? { state: 'in force' } : { state: 'replaced', by: inForce }
  return {
    backend: 'openblas',
    knobs: asked === undefined ? {} : { coreType: asked },
    effective: { coreType: inForce, threads },
    states: asked === undefined ? {} : { coreType: state ?? readBack },
    traces: times(3, trace),
    ...more,
  }
}
const leftOut = blas({ trace: 'A' })
const noEffect = (sketches: readonly CellSketch[]) => {
  const [statement] = state(sketches)
  return statement?.bits === 'did not follow' ? statement.noEffect.map(({ asked }) => asked) : undefined
}

describe('a value has no effect', () => {
  it('if bits and all effective settings are those of leaving the knob out', () => {
    expect(noEffect([leftOut, blas({ asked: 'Haswell', trace: 'A' })])).toEqual(['Haswell'])
    expect(noEffect([leftOut, blas({ asked: 'NEOVERSEN1', inForce: 'Haswell', trace: 'A' })])).toEqual(['NEOVERSEN1'])
  })

  it.each<[string, CellSketch[]]>([
    ['no cell leaves the knob out', [blas({ asked: 'NEOVERSEN1', inForce: 'Haswell', trace: 'A' })]],
    ['the bits differ', [leftOut, blas({ asked: 'NEOVERSEN1', inForce: 'Haswell', trace: 'B' })]],
    ['another value is in force', [leftOut, blas({ asked: 'NEOVERSEN1', inForce: 'Cooperlake', trace: 'A' })]],
    ['another setting differs', [leftOut, blas({ asked: 'Haswell', threads: '2', trace: 'A' })]],
    ['it is unknown', [leftOut, blas({ asked: 'Haswell', trace: 'A', state: { state: 'unknown' } })]],
    [
      'the knob is not read back where it is left out',
      [
        { ...leftOut, effective: {} },
        { ...blas({ asked: 'Haswell', trace: 'A' }), effective: {} },
      ],
    ],
    ['it ran once', [leftOut, blas({ asked: 'Haswell', trace: 'A', more: { traces: ['A'] } })]],
    ['it disagrees with itself', [leftOut, blas({ asked: 'Haswell', trace: 'A', more: { traces: ['A', 'B'] } })]],
    [
      'one of two pairs says otherwise',
      [
        ...[leftOut, blas({ asked: 'Haswell', trace: 'A' })],
        ...[blas({ trace: 'A', more: { seed: '2' } }), blas({ asked: 'Haswell', trace: 'B', more: { seed: '2' } })],
      ],
    ],
    [
      'it is replaced on one agent, and in force on another that has nothing to compare it with',
      [
        ...[leftOut, blas({ asked: 'NEOVERSEN1', inForce: 'Haswell', trace: 'A' })],
        blas({ asked: 'NEOVERSEN1', trace: 'A', more: { agent: 'b' } }),
      ],
    ],
    [
      'the cell that leaves it out disagrees with itself on an agent where it is in force',
      [
        ...[leftOut, blas({ asked: 'NEOVERSEN1', inForce: 'Haswell', trace: 'A' })],
        blas({ trace: 'A', more: { agent: 'b', traces: ['A', 'C'] } }),
        blas({ asked: 'NEOVERSEN1', trace: 'B', more: { agent: 'b' } }),
      ],
    ],
    [
      'the cell that leaves it out is on another agent',
      [blas({ trace: 'A', more: { agent: 'b' } }), blas({ asked: 'Haswell', trace: 'A' })],
    ],
  ])('only: not if %s', (_, cells) => {
    expect(noEffect(cells)).toEqual([])
  })

  it('in each of its states, if each was compared', () => {
    const on = (agent: string, inForce: string) => [
      blas({ inForce, trace: 'A', more: { agent } }),
      blas({ asked: 'NEOVERSEN1', inForce, trace: 'A', more: { agent } }),
    ]
    expect(noEffect([...on('a', 'Haswell'), ...on('b', 'Zen')])).toEqual(['NEOVERSEN1', 'NEOVERSEN1'])
  })

  it('in no workload, if another value changes the bits in one', () => {
    const same = [leftOut, blas({ asked: 'Haswell', trace: 'A' })]
    const other = [
      blas({ trace: 'A', more: { row: 'dot' } }),
      blas({ asked: 'Nehalem', trace: 'B', more: { row: 'dot' } }),
    ]
    expect(noEffect(same)).toEqual(['Haswell'])
    expect(state([...same, ...other])).toMatchObject([{ knob: 'openblas.coreType', bits: 'followed', rows: ['dot'] }])
  })
})

describe('a knob', () => {
  it('that a program obeys and does not read back is unknown, and the bits followed', () => {
    const order = (parts: number, trace: string): CellSketch => ({
      backend: 'order',
      knobs: { parts },
      effective: {},
      states: { parts: { state: 'unknown' } },
      traces: times(3, trace),
    })
    expect(state([order(1, 'A'), order(4, 'B')])).toMatchObject([
      {
        knob: 'order.parts',
        bits: 'followed',
        strength: 'claimed',
        values: [
          { asked: 1, state: 'unknown' },
          { asked: 4, state: 'unknown' },
        ],
      },
    ])
  })

  it('that is replaced says by what, and how it compares with leaving it out', () => {
    const cooper = blas({ asked: 'NEOVERSEN1', inForce: 'Cooperlake', trace: 'B' })
    expect(state([leftOut, cooper])).toMatchObject([
      {
        bits: 'followed',
        values: [
          {
            asked: 'NEOVERSEN1',
            state: 'replaced',
            by: 'Cooperlake',
            againstLeftOut: { pairs: 1, equal: 0, sameSettings: 0, hidden: 0 },
          },
        ],
      },
    ])
  })

  it('that reads back like leaving it out and yet changes the bits is hidden', () => {
    const [statement] = state([leftOut, blas({ asked: 'NEOVERSEN1', inForce: 'Haswell', trace: 'B' })])
    expect(statement?.bits).toBe('did not follow')
    expect(statement?.values[0]?.againstLeftOut).toEqual({ pairs: 1, equal: 0, sameSettings: 1, hidden: 1 })
  })

  it('with one value in the plan still says what became of it', () => {
    expect(state([blas({ asked: 'NEOVERSEN1', inForce: 'Haswell', trace: 'A' })])).toMatchObject([
      { values: [{ asked: 'NEOVERSEN1', by: 'Haswell', againstLeftOut: { pairs: 0 } }], noEffect: [] },
    ])
  })

  it('of two versions of a library is one knob', () => {
    const version = (backend: string) => blas({ asked: 'Haswell', trace: 'A', more: { backend, version: backend } })
    expect(state([version('openblas@1'), version('openblas@2')]).map(({ knob }) => knob)).toEqual(['openblas.coreType'])
  })
})

const value = fc.constantFrom('x', 'y')
const cellArbitrary = fc.record({
  row: fc.constantFrom('sum', 'dot'),
  seed: fc.constantFrom('1', '2'),
  knobs: fc.record({ p: value, q: value }, { requiredKeys: [] }),
  // Mostly alike, so that "no effect" is said at times.
  effective: fc.oneof(
    { weight: 4, arbitrary: fc.constant({ p: 'x', q: 'x' }) },
    { weight: 1, arbitrary: fc.record({ p: value, q: value }, { requiredKeys: [] }) },
  ),
  states: fc.record(
    {
      p: fc.oneof(
        fc.constant({ state: 'in force' as const }),
        fc.record({ state: fc.constant('replaced' as const), by: value }),
      ),
      q: fc.constantFrom({ state: 'unknown' as const }, { state: 'in force' as const }),
    },
    { requiredKeys: [] },
  ),
  traces: fc.oneof(
    { weight: 9, arbitrary: fc.constant(['A', 'A', 'A']) },
    { weight: 1, arbitrary: fc.array(fc.constantFrom('A', 'B'), { maxLength: 4 }) },
  ),
})

/** Every cell with this value beside every cell that leaves it out and is asked for alike, if both may serve as evidence. */
function againstLeftOut(cells: readonly TrialCell[], knob: string, asked: KnobValue, silence: Silence) {
  const counts = ({ id, traces }: TrialCell) => silence.reason(id) === undefined && traces.length > 1
  const textOf = ({ row, seed, condition }: TrialCell, without: string) =>
    JSON.stringify([row, seed, knobsKey(condition.knobs, without)])
  const leftOut = cells.filter(({ condition }) => condition.knobs[knob] === undefined)
  return cells
    .filter((cell) => cell.condition.knobs[knob] === asked && counts(cell))
    .flatMap((cell) =>
      leftOut
        .filter((other) => counts(other) && textOf(other, knob) === textOf(cell, knob))
        .map((other) => [cell, other] as const),
    )
}

it('never says "no effect" of a knob that the bits followed, and only says it of cells that are alike in all', () => {
  let said = 0
  fc.assert(
    fc.property(
      fc.uniqueArray(cellArbitrary, {
        maxLength: 16,
        selector: ({ row, seed, knobs }) => JSON.stringify([row, seed, knobs.p, knobs.q]),
      }),
      (sketches) => {
        const cells = sketches.map(trialCell)
        const silence = findSilence(cells)
        const results = judgeSettings(cells, silence, 1)
        for (const statement of stateKnobs(cells, silence, results)) {
          const followed = results.some(({ setting, bits }) => setting === statement.knob && bits === 'followed')
          expect(statement.bits === 'followed').toBe(followed)
          if (statement.bits === 'followed') {
            expect(statement).not.toHaveProperty('noEffect')
            continue
          }
          for (const { asked, againstLeftOut: counted } of statement.noEffect) {
            said++
            expect(counted.pairs).toBeGreaterThan(0)
            for (const [cell, other] of againstLeftOut(cells, statement.knob.slice('js.'.length), asked, silence)) {
              expect(other.traces[0]).toBe(cell.traces[0])
              expect(other.effective).toEqual(cell.effective)
            }
          }
        }
      },
    ),
    { numRuns: 1000 },
  )
  // A property that never meets the case shows nothing.
  expect(said).toBeGreaterThan(10)
})
