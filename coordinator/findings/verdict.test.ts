import { describe, expect, it } from 'vitest'
import { rowVerdict } from '../compare/row-verdict.ts'
import type { Comparison, ReportCore, Verdict } from '../report/format.ts'
import { exitCodeOfVerdict, runVerdict } from './verdict.ts'

interface Cells {
  readonly classes?: number
  readonly unstable?: number
  readonly incomplete?: number
  readonly absent?: number
  readonly compared?: number
}

const ids = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}${i}`)

function rowOf(
  { classes = 1, unstable = 0, incomplete = 0, absent = 0, compared = 2 }: Cells,
  allow = false,
): Comparison {
  const row = {
    classes: ids(classes, 'k').map((letter) => ({ letter, trace: '', cells: [letter] })),
    nondeterministic: ids(unstable, 'u').map((cell) => ({
      cell,
      executions: 2,
      distinct: 2,
      first: null,
      divergence: null,
    })),
    incomplete: ids(incomplete, 'i'),
    absent: ids(absent, 'a'),
    compared: ids(compared, 'c'),
  }
  const selfConsistency = classes > 0 ? { executions: 3, otherOutcomesBelow: 0.78 } : null
  return {
    ...row,
    workload: 'w',
    params: {},
    selfConsistency,
    verdict: rowVerdict(row, allow),
  } as unknown as Comparison
}

/** @param silenced ids of cells that are no evidence */
function runOf(rows: Cells[], run: Partial<ReportCore['run']> = {}, silenced: readonly string[] = []): Verdict {
  const comparisons = rows.map((row) => rowOf(row, run.absent === 'allow'))
  const reason = (id: string) =>
    silenced.includes(id) ? ({ why: 'nondeterministic condition', cell: 'u0' } as const) : undefined
  return runVerdict({ comparisons, run: { state: 'done', ...run } as ReportCore['run'] }, { reason })
}

describe('the verdict of a row', () => {
  it.each<[Cells, Verdict]>([
    [{ unstable: 1, classes: 2, incomplete: 1 }, 'nondeterministic'],
    [{ classes: 2, incomplete: 1 }, 'divergent'],
    [{ incomplete: 1 }, 'incomplete'],
    [{ absent: 1 }, 'incomplete'],
    [{ compared: 0 }, 'nothing compared'],
    [{ classes: 0, compared: 0 }, 'nothing compared'],
    [{}, 'identical'],
  ])('of %j is %s', (cells, verdict) => {
    expect(rowOf(cells).verdict).toBe(verdict)
  })

  it('allows what the plan allows to be absent', () => {
    expect(rowOf({ absent: 1 }, true).verdict).toBe('identical')
  })
})

describe('the verdict of a run', () => {
  const vacuous = { classes: 0, compared: 0 }
  const alone = { classes: 1, compared: 0 }

  it.each<[Cells[], Verdict, 0 | 1 | 3]>([
    [[], 'nothing compared', 3],
    [[vacuous, alone], 'nothing compared', 3],
    [[{ ...vacuous, absent: 2 }], 'nothing compared', 3],
    [[{ ...alone, incomplete: 1 }], 'nothing compared', 3],
    [[{}, alone], 'identical', 0],
    [[{}, { incomplete: 1 }], 'incomplete', 3],
    [[{}, { ...vacuous, absent: 1 }], 'incomplete', 3],
    [[{ classes: 2 }, { incomplete: 1 }], 'divergent', 1],
    [[{ unstable: 1 }, { classes: 2 }], 'nondeterministic', 1],
    [[{ unstable: 1, classes: 0, compared: 0 }], 'nondeterministic', 1],
  ])('of %j is %s', (rows, verdict, code) => {
    expect(runOf(rows)).toBe(verdict)
    expect(exitCodeOfVerdict(runOf(rows))).toBe(code)
  })

  const expecting = (expect: 'nondeterministic' | 'repeatable') => ({
    rowRules: [{ workload: 'w', params: {}, expect }],
  })

  it('is identical if rows differ only from run to run, as expected', () => {
    expect(runOf([{ unstable: 1 }, { unstable: 1 }], expecting('nondeterministic'))).toBe('identical')
    expect(runOf([{ unstable: 2, classes: 0 }], expecting('nondeterministic'))).toBe('identical')
    expect(runOf([{ unstable: 1, classes: 0, compared: 0 }], expecting('nondeterministic'))).toBe('nothing compared')
    expect(runOf([{ unstable: 1, incomplete: 1 }], expecting('nondeterministic'))).toBe('incomplete')
  })

  it('of a row that is to differ from run to run goes by the conditions that agree with themselves', () => {
    const row = { unstable: 1, classes: 2 }
    expect(runOf([row], expecting('nondeterministic'))).toBe('divergent')
    expect(runOf([row], expecting('nondeterministic'), ['k1'])).toBe('identical')
    expect(runOf([{ classes: 2 }], expecting('nondeterministic'), ['k0', 'k1'])).toBe('incomplete')
    expect(runOf([{ classes: 2 }], {}, ['k0', 'k1'])).toBe('divergent')
  })

  it('is incomplete if what is expected did not show', () => {
    expect(runOf([{}], expecting('nondeterministic'))).toBe('incomplete')
    expect(runOf([{}], expecting('repeatable'))).toBe('identical')
    expect(runOf([{ unstable: 1 }], expecting('repeatable'))).toBe('nondeterministic')
  })

  it('of a run that did not end is never identical', () => {
    expect(runOf([{}], { state: 'cancelled' })).toBe('incomplete')
  })
})
