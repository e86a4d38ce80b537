import { groupBy } from '../../shared/group-by.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { letterOf } from '../compare/classes.ts'
import type { Comparison, Machine, MachinesFinding, ReportCell, ReportCore } from '../report/format.ts'
import { grouped, listed, plural } from '../report/wording.ts'
import { candidatesOf } from './candidates.ts'
import { type MachineName, machineOf, machinesOf } from './machine-names.ts'
import { type MachineRow, machineRows } from './machine-rows.ts'
import type { ClaimRule } from './claim.ts'
import { leastExecutions, tooFewText } from './executions.ts'
import type { Silence } from './silence.ts'

/** Whether machines agree, which one does not, and how sure that is. */
export function findMachines(core: ReportCore, silence: Silence, rule: ClaimRule): MachinesFinding {
  const machines = machinesOf(core)
  const rows = machineRows(core, machines, silence)
  const kin = kinOf(rows, core)
  const judged = rows.map((row) => judgeRow(row, kin(row), core, machines.length, rule))
  const differing = judged.filter(({ groups }) => groups > 1)
  const cells = rows.flatMap(({ conditions }) => conditions.flatMap((condition) => condition.cells))
  const executions = leastExecutions(cells)
  const counted = machines.map(
    ({ agent, device, name }, i): Machine => ({
      agent,
      device,
      name,
      compared: rows.filter((row) => row.machines.includes(i)).length,
      odd: judged.filter(({ odd }) => odd.includes(i)).length,
    }),
  )
  const status = rows.length === 0 ? 'not compared' : differing.length > 0 ? 'differ' : 'agree'
  const claimed = differing.length > 0 ? differing.some(({ strength }) => strength === 'claimed') : executions > 1
  const finding = {
    status,
    strength: status !== 'not compared' && claimed ? 'claimed' : 'seen',
    executions,
    needs: differing.length === 0 ? rule.needed : Math.min(...differing.map(({ needs }) => needs)),
    machines: counted,
    rows: judged.map(({ comparison, letters, odd, strength }) => ({ comparison, letters, odd, strength })),
    candidates: candidatesOf(rows, judged, machines, core),
  } as const
  return { ...finding, text: textOf(finding, core, machines, differing) }
}

interface JudgedRow {
  readonly comparison: number
  readonly letters: (string | null)[]
  readonly odd: number[]
  readonly strength: 'claimed' | 'seen'
  /** Executions of each cell that a claim needs; 0 if nothing differs. */
  readonly needs: number
  readonly groups: number
}

function judgeRow(
  row: MachineRow,
  kin: readonly MachineRow[],
  core: ReportCore,
  machines: number,
  rule: ClaimRule,
): JudgedRow {
  const letters = new Array<string | null>(machines).fill(null)
  const groups = new Map<string, number[]>()
  row.machines.forEach((machine, i) => {
    const vector = row.vectors[i] as string
    const group = groups.get(vector) ?? []
    group.push(machine)
    groups.set(vector, group)
  })
  // In the order of their classes' letters, so that the picture of machines and the matrix agree.
  const ordered = [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
  ordered.forEach(([, group], i) => {
    for (const machine of group) letters[machine] = letterOf(i)
  })
  const largest = [...groups.values()].reduce((a, b) => (b.length > a.length ? b : a), [])
  const majority = row.machines.length > 2 && largest.length * 2 > row.machines.length
  const needs = groups.size > 1 ? needsOf(row, kin, core, rule) : 0
  const odd = majority && groups.size > 1 ? row.machines.filter((machine) => !largest.includes(machine)) : []
  return {
    comparison: row.comparison,
    letters,
    odd,
    strength: needs <= leastOf(row) ? 'claimed' : 'seen',
    needs,
    groups: groups.size,
  }
}

/** The rows of one workload and its parameters, over its seeds: their trials are judged together. */
function kinOf(rows: readonly MachineRow[], { comparisons }: ReportCore): (row: MachineRow) => readonly MachineRow[] {
  const keyOf = ({ comparison }: MachineRow) => {
    const { workload, workloadVersion, params } = comparisons[comparison] as Comparison
    return canonicalJson([workload, workloadVersion, params])
  }
  const groups = groupBy(rows, keyOf)
  return (row) => groups.get(keyOf(row)) ?? []
}

/**
 * The least number of executions with which the difference of some condition of a row may be claimed: the machine is a
 * setting as any other.
 */
function needsOf(row: MachineRow, kin: readonly MachineRow[], core: ReportCore, rule: ClaimRule): number {
  const trials = kin.flatMap((one) => trialsOf(one, core))
  const partitions = new Set(trialsOf(row, core).map(({ partition }) => partition))
  const differing = [...partitions].filter((partition) => partition.includes('|'))
  const claimed = differing.some((partition) => rule.claims(trials, partition))
  if (claimed) return leastOf(row)
  return Math.min(...differing.map((partition) => rule.needs(trials, partition)))
}

function leastOf({ conditions }: MachineRow): number {
  return leastExecutions(conditions.flatMap(({ cells }) => cells))
}

function trialsOf({ comparison, conditions, machines }: MachineRow, core: ReportCore) {
  return conditions.map(({ cells }) => ({
    partition: partitionOf(cells, machines, core.comparisons[comparison] as Comparison),
    executions: leastExecutions(cells),
  }))
}

/** Machines grouped by class, such as `0 2|1`. */
function partitionOf(cells: readonly ReportCell[], machines: readonly number[], { classes }: Comparison): string {
  const letterById = new Map(classes.flatMap(({ letter, cells: ids }) => ids.map((id) => [id, letter] as const)))
  const groups = new Map<string, number[]>()
  cells.forEach(({ id }, i) => {
    const letter = letterById.get(id) ?? ''
    groups.set(letter, [...(groups.get(letter) ?? []), machines[i] as number])
  })
  return [...groups.values()].map((group) => group.join(' ')).join('|')
}

const namedAtMost = 4

function textOf(
  { status, strength, executions, needs, machines, rows, candidates }: Omit<MachinesFinding, 'text'>,
  core: ReportCore,
  all: readonly MachineName[],
  differing: readonly JudgedRow[],
): string {
  if (status === 'not compared') return notComparedText(core, all)
  const taking = machines.filter(({ compared }) => compared > 0)
  const left = machines.filter(({ compared }) => compared === 0)
  const missing = left.length === 0 ? '' : ` ${namesText(left)} ${left.length === 1 ? 'was' : 'were'} not compared.`
  if (status === 'agree') {
    const head =
      taking.length === 2
        ? `${listed(taking.map(({ name }) => name))} agree`
        : `All ${grouped(taking.length)} machines agree`
    return `${head} in ${rows.length === 1 ? '1 workload' : `all ${grouped(rows.length)} workloads`}.${missing}`
  }
  const marked = strength === 'claimed' ? '' : ` ${tooFewText(executions, needs)}`
  const [first] = candidates
  const look = first === undefined ? '' : ` First to look at: ${first.text}.`
  return `${differText(taking, machines, differing, rows)}${marked}${look}${missing}`
}

function differText(
  taking: readonly Machine[],
  machines: readonly Machine[],
  differing: readonly JudgedRow[],
  rows: MachinesFinding['rows'],
): string {
  const total = rows.length
  const of = `${grouped(total)} ${total === 1 ? 'workload' : 'workloads'}`
  if (taking.length === 2) {
    const names = taking.map(({ name }) => name)
    return `${listed(names)} differ in ${grouped(differing.length)} of ${of}; which of the two is the odd one cannot be told.`
  }
  const odd = taking.filter((machine) => machine.odd > 0).sort((a, b) => b.odd - a.odd)
  const clauses = odd
    .slice(0, namedAtMost)
    .map(({ name, odd: count }, i) =>
      i === 0
        ? `${name} differs from the other ${odd.length === 1 ? `${grouped(taking.length - 1)} machines` : 'machines'} in ${grouped(count)} of ${of}`
        : `${name} in ${grouped(count)}`,
    )
  if (odd.length > namedAtMost) clauses.push(`and ${plural(odd.length - namedAtMost, 'more machine')} in some`)
  const split = differing.filter((row) => row.odd.length === 0)
  if (split.length > 0) {
    clauses.push(
      `${odd.length > 0 ? 'in ' : 'In '}${grouped(split.length)} of ${of} the machines differ and no class holds more than half of them`,
    )
  }
  const agreeing = agreeingInAll(machines, rows)
  const rest = agreeing.length < 2 ? '' : `; ${namesText(agreeing)} agree in all`
  return `${clauses.join(', ')}${rest}.`
}

/** The largest group of machines whose letters are equal in every row; none if no group has more than one. */
function agreeingInAll(machines: readonly Machine[], rows: MachinesFinding['rows']): Machine[] {
  const groups = new Map<string, Machine[]>()
  machines.forEach((machine, i) => {
    if (machine.compared === 0) return
    const key = rows.map(({ letters }) => letters[i] ?? '').join(' ')
    groups.set(key, [...(groups.get(key) ?? []), machine])
  })
  const largest = [...groups.values()].reduce((a, b) => (b.length > a.length ? b : a), [])
  return largest.length > 1 ? largest : []
}

function namesText(machines: readonly { readonly name: string }[]): string {
  if (machines.length <= namedAtMost) return listed(machines.map(({ name }) => name))
  return `${machines
    .slice(0, 2)
    .map(({ name }) => name)
    .join(', ')} and ${grouped(machines.length - 2)} others`
}

/** With one machine there is nothing to say. With several, why none of them was compared with another. */
function notComparedText(core: ReportCore, all: readonly MachineName[]): string {
  if (all.length < 2) return all.length === 0 ? 'No machine took part.' : `${all[0]?.name} is the only machine.`
  const completed = new Set(
    core.cells.filter(({ traces }) => traces.some((trace) => trace !== null)).map((cell) => machineOf(cell)),
  )
  const having = all.filter(({ id }) => completed.has(id))
  const without = all.filter(({ id }) => !completed.has(id))
  const reasons = without.slice(0, namedAtMost).map((machine) => {
    const cell = core.cells.find((one) => machineOf(one) === machine.id)
    const why = cell?.reason ?? cell?.message ?? cell?.status ?? 'no result'
    return `${machine.name} (${why})`
  })
  if (having.length === 0) return `No machine completed a cell: ${listed(reasons)}.`
  if (having.length === 1) {
    return `No machine was compared with another: only ${having[0]?.name} completed cells; ${listed(reasons)} did not.`
  }
  return `No machine was compared with another: no two of ${grouped(having.length)} completed the same condition of the same workload.`
}
