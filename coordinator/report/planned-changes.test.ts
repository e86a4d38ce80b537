import { describe, expect, it } from 'vitest'
import { sampleReport } from '../../test/sample-report.ts'
import { plannedChanges, testedSettings } from './planned-changes.ts'

const report = sampleReport()
const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
function changesOf(workload: string) {
  const comparison = report.comparisons.find((found) => found.workload === workload)
  if (!comparison) throw new Error(`the sample has no ${workload}`)
  return plannedChanges(comparison, cells)
}

describe('settings that the plan changed alone', () => {
  it('are told from machines that differ', () => {
    // On each of two machines the code path was changed: the bits of exp follow, those of sin part by machine only.
    expect(changesOf('elementary.exp')).toEqual([
      { setting: 'libm.hwcaps', pairs: 2, followed: 2, example: { classes: ['A', 'B'], values: [undefined, '-FMA'] } },
    ])
    expect(changesOf('elementary.sin')).toEqual([{ setting: 'libm.hwcaps', pairs: 2, followed: 0, example: undefined }])
  })

  it('count pairs of one machine whose bits differ', () => {
    // Six orders on two machines: 1.5 three times, two sums that agree, and one alone.
    const [orders] = changesOf('reduce.sum')
    expect(orders).toMatchObject({ setting: 'js.order', pairs: 2 * 15, followed: 2 * (15 - 3 - 1) })
  })

  it('are the backend where no cell has another setting', () => {
    expect(changesOf('nn.layernorm')).toEqual([{ setting: 'backend', pairs: 3, followed: 0, example: undefined }])
  })
})

it('show nothing of the arithmetic where inputs differ', () => {
  expect(changesOf('nn.softmax')).toEqual([])
})

describe('the settings that account for the classes', () => {
  interface Cell {
    readonly agent?: string
    readonly backend: string
    readonly knobs?: Record<string, string>
    readonly version?: string
    /** What emulates its processor. */
    readonly emulator?: string
    readonly letter: string
  }

  /** Cells of one comparison, by the class they fall into. */
  function comparisonOf(described: readonly Cell[]) {
    const [comparison, model] = [report.comparisons[0], report.cells[0]]
    if (!comparison || !model) throw new Error('the sample is empty')
    const own = described.map(({ agent = 'a', backend, knobs = {}, version = backend, emulator }, i) => {
      const label = emulator === undefined ? ('native' as const) : ('emulated' as const)
      const facts: Record<string, string> = emulator === undefined ? {} : { emulator }
      return {
        ...model,
        ...{ id: `c-${i}`, agent, condition: { ...model.condition, backend, knobs, version, label } },
        facts,
      }
    })
    const letters = [...new Set(described.map(({ letter }) => letter))]
    const classes = letters.map((letter) => ({
      ...{ letter, trace: letter },
      cells: own.filter((_, i) => described[i]?.letter === letter).map(({ id }) => id),
    }))
    return [{ ...comparison, classes }, new Map(own.map((cell) => [cell.id, cell]))] as const
  }
  const tested = (described: readonly Cell[]) => testedSettings(...comparisonOf(described))
  const js = (order: string, letter: string, agent = 'a') => ({ agent, backend: 'js', knobs: { order }, letter })

  it('are those that the bits followed', () => {
    expect(tested([js('exact', 'A'), js('reverse', 'B')])).toEqual({ settings: ['js.order'], all: true })
    expect(tested([js('exact', 'A'), js('reverse', 'A')])).toEqual({ settings: [], all: true })
  })

  it('leave open what no change alone reached', () => {
    expect(
      tested([
        { backend: 'tfjs-cpu', letter: 'A' },
        { backend: 'tfjs-wasm', knobs: { variant: 'plain' }, letter: 'B' },
        { backend: 'tfjs-wasm', knobs: { variant: 'simd' }, letter: 'C' },
      ]),
    ).toEqual({ settings: ['tfjs-wasm.variant'], all: false })
  })

  it('leave open machines that part under the same setting', () => {
    const here = [js('exact', 'A'), js('reverse', 'B')]
    expect(tested([...here, js('exact', 'A', 'b'), js('reverse', 'B', 'b')]).all).toBe(true)
    expect(tested([...here, js('exact', 'A', 'b'), js('reverse', 'C', 'b')]).all).toBe(false)
  })

  it('are the processor that one version is for, and apart from it the version', () => {
    const cell = (version: string, emulator: string | undefined, letter: string): Cell => ({
      backend: `js@${version}${emulator === undefined ? '' : '-arm64'}`,
      ...{ version, emulator, letter },
    })
    const both = (version: string, native: string, emulated: string) => [
      cell(version, undefined, native),
      cell(version, 'qemu-aarch64 7', emulated),
    ]
    const byProcessor = [...both('22', 'A', 'B'), ...both('24', 'A', 'B')]
    expect(tested(byProcessor)).toEqual({ settings: ['js processor'], all: true })
    expect(plannedChanges(...comparisonOf(byProcessor))).toEqual([
      { setting: 'js version', pairs: 2, followed: 0, example: undefined },
      {
        ...{ setting: 'js processor', pairs: 2, followed: 2 },
        example: { classes: ['A', 'B'], values: ['js@22', 'js@22-arm64'] },
      },
    ])
    expect(tested([...both('22', 'A', 'A'), ...both('24', 'B', 'B')])).toEqual({ settings: ['js version'], all: true })
    expect(tested([...both('22', 'A', 'B'), ...both('24', 'C', 'C')])).toEqual({
      ...{ settings: ['js version', 'js processor'], all: true },
    })
    // Of two versions, each for a processor of its own, nothing was changed alone.
    const crossed = [cell('22', undefined, 'A'), cell('24', 'qemu-aarch64 7', 'B')]
    expect(plannedChanges(...comparisonOf(crossed))).toEqual([])
    // Two names of one build are no change of the processor.
    const named = [{ ...cell('22', undefined, 'A'), backend: 'js' }, ...both('22', 'A', 'B')]
    expect(plannedChanges(...comparisonOf(named)).find(({ setting }) => setting === 'js processor')).toMatchObject({
      ...{ pairs: 1, followed: 1 },
    })
  })

  it('are the version of a library, under whatever knobs', () => {
    const version = (backend: string, jit: string, letter: string) => ({ backend, knobs: { jit }, letter })
    const parted = [version('js@22', 'off', 'A'), version('js@24', 'off', 'B'), version('js@22', 'on', 'A')]
    expect(tested([...parted, version('js@24', 'on', 'B')])).toEqual({ settings: ['js version'], all: true })
    // The class that only another setting of one version has is reached by that.
    expect(tested([...parted, version('js@24', 'on', 'C')])).toEqual({
      settings: ['js@24.jit', 'js version'],
      all: true,
    })
    const bare = [
      { backend: 'js', letter: 'A' },
      { backend: 'js@24', letter: 'B' },
    ]
    expect(tested(bare)).toEqual({ settings: ['js version'], all: true })
  })

  it('name several, the backend among them', () => {
    expect(
      tested([{ backend: 'js', letter: 'A' }, { backend: 'tfjs-cpu', letter: 'B' }, js('exact', 'A'), js('fma', 'C')]),
    ).toEqual({ settings: ['js.order', 'backend'], all: true })
  })
})
