import { letterOf } from '../compare/classes.ts'
import type { Comparison, Machine, MachinesFinding, ReportCore } from '../report/format.ts'
import { conditionText } from '../report/wording.ts'
import { candidatesOf } from './candidates.ts'
import type { ClaimRule } from './claim.ts'
import { leastExecutions } from './executions.ts'
import { leftOutText, notComparedText } from './machine-gaps.ts'
import { deviceKind, machinesOf } from './machine-names.ts'
import { type MachineRow, machineConditions, machineRows } from './machine-rows.ts'
import { agreeText, differText, type JudgedRow, oddestMachine } from './machine-text.ts'
import { machineJudge } from './machine-trials.ts'
import type { Silence } from './silence.ts'

/** Whether machines agree, which one does not, and how sure that is. */
export function findMachines(core: ReportCore, silence: Silence, rule: ClaimRule): MachinesFinding {
  const machines = machinesOf(core)
  const conditions = machineConditions(core, machines, silence)
  const rows = machineRows(conditions)
  const judge = machineJudge(core, conditions, rule)
  const judged = rows.map((row) => judgeRow(row, core, judge))
  const differing = judged.filter(({ groups }) => groups > 1)
  const status = rows.length === 0 ? 'not compared' : differing.length > 0 ? 'differ' : 'agree'
  const compared = comparisonsByMachine(judged, ({ row }) => row.machines)
  const odd = comparisonsByMachine(judged, (row) => row.odd)
  const counted = machines.map(
    ({ agent, device, name }, i): Machine => ({
      ...{ agent, device, name },
      compared: compared.get(i)?.size ?? 0,
      odd: odd.get(i)?.size ?? 0,
    }),
  )
  const named = oddestMachine(counted)
  const candidates = candidatesOf(
    // Other inputs are the reason already.
    differing.filter(({ inputsDiffer }) => !inputsDiffer).map(({ row }) => row),
    (named === undefined ? undefined : odd.get(named)) ?? new Set(),
    machines,
    core,
  )
  const strength = strengthOf(rows, differing, rule)
  const told = { machines: counted, judged, comparisons: core.comparisons, ...strength }
  const text =
    status === 'not compared'
      ? notComparedText(core, machines, conditions, silence)
      : `${status === 'agree' ? agreeText(told) : differText(told, candidates)}${leftOutText(core, machines, counted, silence)}`
  const under = conditionNames(rows)
  return {
    status,
    ...strength,
    text,
    machines: counted,
    rows: judged.map(({ row, odd: oddOnes, strength: own }, i) => ({
      comparison: row.comparison,
      under: under[i],
      letters: lettersOf(row, machines.length),
      odd: [...oddOnes],
      strength: own,
    })),
    candidates,
  }
}

/** For each machine of some rows, the comparisons that these belong to. */
function comparisonsByMachine(
  judged: readonly JudgedRow[],
  machinesOfRow: (row: JudgedRow) => readonly number[],
): Map<number, Set<number>> {
  const found = new Map<number, Set<number>>()
  for (const one of judged) {
    for (const machine of machinesOfRow(one)) {
      found.set(machine, (found.get(machine) ?? new Set()).add(one.row.comparison))
    }
  }
  return found
}

function judgeRow(row: MachineRow, core: ReportCore, judge: ReturnType<typeof machineJudge>): JudgedRow {
  const groups = groupsOf(row)
  const largest = groups.reduce((a, b) => (b.length > a.length ? b : a), [])
  const majority = row.machines.length > 2 && largest.length * 2 > row.machines.length
  const holds = new Set(largest)
  const inputsDiffer = (core.comparisons[row.comparison] as Comparison).inputsEqual === false
  const judgement = judge(row)
  return {
    row,
    groups: groups.length,
    odd: majority && groups.length > 1 ? row.machines.filter((machine) => !holds.has(machine)) : [],
    inputsDiffer: inputsDiffer && groups.length > 1,
    ...judgement,
    // Nothing differs, so nothing is claimed of it; and on other inputs other bits are no surprise.
    strength: groups.length < 2 ? 'claimed' : inputsDiffer ? 'seen' : judgement.strength,
  }
}

/** Machines of equal vectors, in the order of their classes' letters, so that this picture and the matrix agree. */
function groupsOf({ machines, vectors }: MachineRow): number[][] {
  const groups = new Map<string, number[]>()
  machines.forEach((machine, i) => {
    const vector = vectors[i] as string
    const group = groups.get(vector)
    if (group) group.push(machine)
    else groups.set(vector, [machine])
  })
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
}

function lettersOf(row: MachineRow, machines: number): (string | null)[] {
  const letters = new Array<string | null>(machines).fill(null)
  groupsOf(row).forEach((group, i) => {
    for (const machine of group) letters[machine] = letterOf(i)
  })
  return letters
}

/** The finding is claimed only if all rows in which machines differ are; rows that are only seen set its figures. */
function strengthOf(
  rows: readonly MachineRow[],
  differing: readonly JudgedRow[],
  rule: ClaimRule,
): Pick<MachinesFinding, 'strength' | 'executions' | 'needs'> {
  if (differing.length === 0) {
    const cells = rows.flatMap(({ conditions }) => conditions.flatMap((condition) => condition.cells))
    const executions = leastExecutions(cells)
    return { strength: executions > 1 ? 'claimed' : 'seen', executions, needs: rule.needed }
  }
  const evident = differing.filter(({ inputsDiffer }) => !inputsDiffer)
  const seen = evident.filter(({ strength }) => strength === 'seen')
  const behind = seen.length > 0 ? seen : evident.length > 0 ? evident : differing
  return {
    strength: evident.length > 0 && seen.length === 0 ? 'claimed' : 'seen',
    executions: Math.min(...behind.map(({ executions }) => executions)),
    needs: Math.min(...behind.map(({ needs }) => needs)),
  }
}

/** For each row, its conditions in words; undefined if its comparison has no other row. */
function conditionNames(rows: readonly MachineRow[]): (string | undefined)[] {
  const counts = new Map<number, number>()
  for (const { comparison } of rows) counts.set(comparison, (counts.get(comparison) ?? 0) + 1)
  return rows.map(({ comparison, conditions }) => {
    const condition = conditions[0]?.cells[0]?.condition
    if (condition === undefined || (counts.get(comparison) ?? 0) < 2) return undefined
    const more = conditions.length > 1 ? ` and ${conditions.length - 1} more` : ''
    // What is asked of one card is asked of another.
    const asked = { ...condition, device: deviceKind(condition.device), label: 'native' as const }
    return `${conditionText(asked)}${more}`
  })
}
