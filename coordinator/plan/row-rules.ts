import { canonicalJson } from '../../shared/canonical-json.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { Absence, CellRecord, Expectation, RowRule, RunRecord } from '../records.ts'
import type { Plan, PlannedWorkload } from './plan.ts'

/**
 * What a plan says of its rows beyond what they compute, as a run keeps it. If a row stands in several entries, one of
 * them may speak for all.
 *
 * @throws `usage` if two entries of one row contradict each other
 */
export function rulesOf({ absent, workloads }: Plan): Pick<RunRecord, 'absent' | 'rowRules'> {
  const rules = new Map<string, RowRule>()
  for (const entry of workloads) {
    if (entry.absent === undefined && entry.expect === undefined) continue
    const key = rowKey(entry.id, entry.params)
    const known = rules.get(key)
    rules.set(key, {
      workload: entry.id,
      params: entry.params,
      absent: agreed('absent', known?.absent, entry.absent, entry),
      expect: agreed('expect', known?.expect, entry.expect, entry),
    })
  }
  return {
    absent: absent === 'allow' ? 'allow' : undefined,
    rowRules: rules.size > 0 ? [...rules.values()] : undefined,
  }
}

/** What a run's plan says of the row of a cell. */
export function ruleOf(
  { absent, rowRules = [] }: Pick<RunRecord, 'absent' | 'rowRules'>,
  { workload, params }: Pick<CellRecord, 'workload' | 'params'>,
): { absent: Absence; expect: Expectation | undefined } {
  const rule = rulesByRow(rowRules).get(rowKey(workload, params))
  return { absent: rule?.absent ?? absent ?? 'forbid', expect: rule?.expect }
}

/** Reports of strangers may have as many rules as rows, so each list is put in order once. */
const rulesByList = new WeakMap<readonly RowRule[], ReadonlyMap<string, RowRule>>()

function rulesByRow(rules: readonly RowRule[]): ReadonlyMap<string, RowRule> {
  const known = rulesByList.get(rules)
  if (known !== undefined) return known
  // The first rule of a row holds.
  const byRow = new Map(rules.toReversed().map((rule) => [rowKey(rule.workload, rule.params), rule] as const))
  rulesByList.set(rules, byRow)
  return byRow
}

/** A cell's array may have the dtype and shape that the plan leaves out: its file and digest say the same of a row. */
function rowKey(workload: string, params: Readonly<Record<string, unknown>>): string {
  const named = Object.entries(params).map(([name, value]) => {
    if (typeof value !== 'object' || value === null || !('file' in value)) return [name, value]
    const { dtype: _, shape: __, ...rest } = value as Record<string, unknown>
    return [name, rest]
  })
  return canonicalJson([workload, Object.fromEntries(named)])
}

function agreed<Said extends string>(
  key: 'absent' | 'expect',
  known: Said | undefined,
  said: Said | undefined,
  { id, at }: PlannedWorkload,
): Said | undefined {
  if (known !== undefined && said !== undefined && known !== said) {
    throw new BitfleetError(
      'usage',
      `${at}: ${id} stands in the plan with \`${key}: ${known}\` before, and here with \`${key}: ${said}\`; keep one`,
    )
  }
  return said ?? known
}
