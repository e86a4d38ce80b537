import { groupBy } from '../../shared/group-by.ts'
import type { Machine, ReportCell, ReportCore } from '../report/format.ts'
import { grouped, listed } from '../report/wording.ts'
import { type MachineName, machineOf } from './machine-names.ts'
import type { MachineCondition } from './machine-rows.ts'
import { namedAtMost, namesText } from './machine-text.ts'
import type { Silence } from './silence.ts'

// Which machines were not compared, and why.

/** Sentences about machines that were compared nowhere, each with a space before it; empty if all were compared. */
export function leftOutText(
  core: ReportCore,
  all: readonly MachineName[],
  counted: readonly Machine[],
  silence: Silence,
): string {
  const left = all.filter((_, i) => counted[i]?.compared === 0)
  if (left.length === 0) return ''
  const cells = groupBy(core.cells, machineOf)
  return [...groupBy(left, ({ id }) => gapOf(cells.get(id) ?? [], silence))]
    .map(([gap, machines]) => {
      const one = machines.length === 1
      return ` ${namesText(machines)} ${one ? 'was' : 'were'} not compared: ${gapText(gap as Gap, machines, cells)}.`
    })
    .join('')
}

type Gap = 'itself' | 'condition' | 'no cell' | 'alone'

function gapOf(cells: readonly ReportCell[], silence: Silence): Gap {
  if (!cells.some(isCompleted)) return 'no cell'
  const reasons = cells.map(({ id }) => silence.reason(id)?.why)
  if (reasons.includes('disagrees with itself')) return 'itself'
  return reasons.some((why) => why !== undefined) ? 'condition' : 'alone'
}

function gapText(
  gap: Gap,
  machines: readonly MachineName[],
  cells: ReadonlyMap<string, readonly ReportCell[]>,
): string {
  const one = machines.length === 1
  switch (gap) {
    case 'itself':
      return one ? 'it disagrees with itself' : 'they disagree with themselves'
    case 'condition':
      return 'other machines disagree with themselves under the same condition'
    case 'alone':
      return 'no other machine completed the same and agreed with itself'
    case 'no cell': {
      const reasons = new Set(machines.map(({ id }) => reasonOf(cells.get(id) ?? [])))
      const why = reasons.size === 1 ? ` (${[...reasons].join()})` : ''
      return `${one ? 'it' : 'they'} completed no cell${why}`
    }
  }
}

function isCompleted({ traces }: ReportCell): boolean {
  return traces.some((trace) => trace !== null)
}

function reasonOf([cell]: readonly ReportCell[]): string {
  return cell?.reason ?? cell?.message ?? cell?.status ?? 'no result'
}

/** With one machine there is nothing to say. With several, why none of them was compared with another. */
export function notComparedText(
  core: ReportCore,
  all: readonly MachineName[],
  conditions: readonly (readonly MachineCondition[])[],
  silence: Silence,
): string {
  if (all.length < 2) return all.length === 0 ? 'No machine took part.' : `${all[0]?.name} is the only machine.`
  const cells = groupBy(core.cells, machineOf)
  const ofMachine = ({ id }: MachineName) => cells.get(id) ?? []
  const having = all.filter((machine) => ofMachine(machine).some(isCompleted))
  const without = all.filter((machine) => !having.includes(machine))
  const named = without.length > namedAtMost ? without.slice(0, namedAtMost - 1) : without
  const reasons = named.map((machine) => `${machine.name} (${reasonOf(ofMachine(machine))})`)
  if (named.length < without.length) reasons.push(`${grouped(without.length - named.length)} others`)
  if (having.length === 0) return `No machine completed a cell: ${listed(reasons)}.`
  const head = 'No machine was compared with another'
  if (having.length === 1) return `${head}: only ${having[0]?.name} completed cells; ${listed(reasons)} did not.`
  const of = `no two of ${grouped(having.length)} completed the same condition of the same workload`
  if (conditions.every((own) => own.length === 0)) return `${head}: ${of}.`
  const unstable = having.filter((machine) => gapOf(ofMachine(machine), silence) === 'itself')
  const show = unstable.length === 1 ? 'disagrees with itself' : 'disagree with themselves'
  const lucky = core.cells.some(({ id }) => silence.reason(id)?.why === 'nondeterministic on two machines')
  return lucky
    ? `${head}: ${namesText(unstable)} ${show}, so what they completed is no evidence on any machine.`
    : `${head}: ${of} and agreed with themselves there; ${namesText(unstable)} ${show}.`
}
