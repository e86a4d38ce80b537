import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Counts, ReportCell, ReportCore, Verdict } from '../report/format.ts'
import { deviceKind, machineOf } from './machine-names.ts'
import { hasGaps } from './verdict.ts'

/** Conditions as the plan asks for them: two machines can have the same. Cards of one kind are alike. */
export function conditionKey({ condition: { backend, device, knobs } }: ReportCell): string {
  return canonicalJson([backend, deviceKind(device), knobs])
}

/** What was compared. A cell counts as compared if it completed and another cell of its row did, too. */
export function countCells(core: ReportCore): Counts {
  const { cells, comparisons } = core
  const ids = (pick: (comparison: ReportCore['comparisons'][number]) => readonly string[]) =>
    new Set(comparisons.flatMap(pick))
  const comparedIds = ids(({ compared }) => compared)
  const incomplete = ids((comparison) => comparison.incomplete)
  const absent = ids((comparison) => comparison.absent)
  const real = cells.filter(({ lack }) => lack !== 'inapplicable')
  const compared = real.filter(({ id }) => comparedIds.has(id))
  const traces = real.flatMap((cell) => cell.traces)
  const having = (verdict: Verdict) => comparisons.filter((comparison) => comparison.verdict === verdict).length
  return {
    rows: {
      total: comparisons.length,
      compared: comparisons.filter((comparison) => comparison.compared.length > 1).length,
      identical: having('identical'),
      divergent: having('divergent'),
      nondeterministic: having('nondeterministic'),
      incomplete: comparisons.filter((row) => hasGaps(row, core.run)).length,
    },
    cells: {
      total: real.length,
      completed: real.filter((cell) => cell.traces.some((trace) => trace !== null)).length,
      compared: compared.length,
      absent: absent.size,
      incomplete: incomplete.size,
      inapplicable: cells.length - real.length,
    },
    executions: { planned: traces.length, completed: traces.filter((trace) => trace !== null).length },
    conditions: new Set(compared.map(conditionKey)).size,
    machines: new Set(compared.map(machineOf)).size,
  }
}
