import { backendName } from '../../shared/backend-description.ts'
import type { MachinesFinding, ReportCell, ReportCore } from '../report/format.ts'
import { listed, plural } from '../report/wording.ts'
import type { MachineName } from './machine-names.ts'
import { differingConditions, type MachineRow } from './machine-rows.ts'

type Candidate = MachinesFinding['candidates'][number]
interface Judged {
  readonly comparison: number
  readonly letters: readonly (string | null)[]
  readonly groups: number
}

const maxCandidates = 12

/**
 * Variables and effective values that group the machines of a row just as the bits do: the first to look at. Variables
 * first, since a person set them.
 */
export function candidatesOf(
  rows: readonly MachineRow[],
  judged: readonly Judged[],
  machines: readonly MachineName[],
  core: ReportCore,
): Candidate[] {
  const facts = new Map(core.agents.map((agent) => [agent.id, agent.facts]))
  const found = new Map<string, { kind: Candidate['kind']; name: string; rows: number[]; text: string }>()
  rows.forEach((row, i) => {
    const own = judged[i] as Judged
    if (own.groups < 2) return
    for (const [key, { kind, name, values }] of valuesOf(row, facts)) {
      if (!groupsAlike(values, row.vectors)) continue
      const known = found.get(key)
      if (known) known.rows.push(row.comparison)
      else found.set(key, { kind, name, rows: [row.comparison], text: textOf(name, values, row, machines) })
    }
  })
  return [...found.values()]
    .sort((a, b) => Number(a.kind !== 'variable') - Number(b.kind !== 'variable') || b.rows.length - a.rows.length)
    .slice(0, maxCandidates)
}

interface Values {
  readonly kind: Candidate['kind']
  readonly name: string
  /** For each machine of the row: one text for all its conditions. */
  readonly values: string[]
}

function valuesOf(row: MachineRow, facts: ReadonlyMap<string, Readonly<Record<string, string>>>): Map<string, Values> {
  const found = new Map<string, Values>()
  const put = (kind: Candidate['kind'], name: string, machine: number, value: string) => {
    const known = found.get(`${kind} ${name}`) ?? { kind, name, values: row.machines.map(() => '') }
    // Over several conditions: all values that were in force, in their order.
    const before = known.values[machine] as string
    known.values[machine] =
      before === '' || before === value ? value : before.includes(value) ? before : `${before}, ${value}`
    found.set(`${kind} ${name}`, known)
  }
  for (const { cells } of differingConditions(row)) {
    cells.forEach((cell, machine) => {
      for (const [name, value] of Object.entries(cell.condition.effective)) {
        put('effective value', `${backendName(cell.condition.backend)}.${name}`, machine, value)
      }
      for (const [name, value] of Object.entries(variablesOf(cell, facts))) put('variable', name, machine, value)
    })
  }
  return found
}

/** Variables in force; those of agents before 0.2 stand among facts only. */
function variablesOf(
  cell: ReportCell,
  facts: ReadonlyMap<string, Readonly<Record<string, string>>>,
): Record<string, string> {
  if (cell.ambient !== undefined) return cell.ambient
  const all = { ...facts.get(cell.agent), ...cell.facts }
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) => (key.startsWith('env.') ? [[key.slice('env.'.length), value]] : [])),
  )
}

function groupsAlike(values: readonly string[], vectors: readonly string[]): boolean {
  const [forward, back] = [new Map<string, string>(), new Map<string, string>()]
  return values.every((value, i) => {
    const vector = vectors[i] as string
    const same = (forward.get(value) ?? vector) === vector && (back.get(vector) ?? value) === value
    forward.set(value, vector)
    back.set(vector, value)
    return same
  })
}

function textOf(name: string, values: readonly string[], row: MachineRow, machines: readonly MachineName[]): string {
  const groups = new Map<string, string[]>()
  values.forEach((value, i) => {
    const machine = machines[row.machines[i] as number]?.name ?? ''
    groups.set(value, [...(groups.get(value) ?? []), machine])
  })
  const said = [...groups]
    .sort(([, a], [, b]) => a.length - b.length)
    .map(([value, names]) => {
      const who = names.length > 2 ? plural(names.length, 'machine') : listed(names)
      return `${value === '' ? 'not set' : value} on ${who}`
    })
  return `${name} is ${said.slice(0, 3).join(', ')}${said.length > 3 ? ` and ${said.length - 3} more values` : ''}`
}
