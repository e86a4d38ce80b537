import { backendName } from '../../shared/backend-description.ts'
import { groupBy } from '../../shared/group-by.ts'
import type { MachinesFinding, ReportCell, ReportCore } from '../report/format.ts'
import { listed, plural } from '../report/wording.ts'
import type { MachineName } from './machine-names.ts'
import { differingConditions, type MachineRow } from './machine-rows.ts'

type Candidate = MachinesFinding['candidates'][number]

const maxCandidates = 12

/** How a value reads that is not there, and one that is empty. */
const words = {
  variable: { absent: 'not set', empty: 'set to nothing' },
  'effective value': { absent: 'not read back', empty: 'empty' },
} as const

/**
 * Variables and effective values that group the machines of a row just as the bits do: the first to look at. What groups
 * the rows of the named machine comes first; then variables, since a person set them.
 *
 * @param rows  in which machines differ
 * @param named places in `comparisons` in which the machine that the report names first is odd
 */
export function candidatesOf(
  rows: readonly MachineRow[],
  named: ReadonlySet<number>,
  machines: readonly MachineName[],
  core: ReportCore,
): Candidate[] {
  const facts = new Map(core.agents.map((agent) => [agent.id, agent.facts]))
  const found = new Map<string, { values: Values; row: MachineRow; rows: Set<number> }>()
  for (const row of rows) {
    for (const values of valuesOf(row, facts)) {
      if (!groupsAlike(values.keys, row.vectors)) continue
      // Rows that differ in which machine has which value are different candidates.
      const key = JSON.stringify([values.kind, values.name, row.machines, values.keys])
      const known = found.get(key)
      if (known) known.rows.add(row.comparison)
      else found.set(key, { values, row, rows: new Set([row.comparison]) })
    }
  }
  const differing = new Set(rows.map(({ comparison }) => comparison)).size
  const ofNamed = (own: ReadonlySet<number>) => Number([...own].some((comparison) => named.has(comparison)))
  return [...found.values()]
    .sort(
      (a, b) =>
        ofNamed(b.rows) - ofNamed(a.rows) ||
        Number(a.values.kind !== 'variable') - Number(b.values.kind !== 'variable') ||
        b.rows.size - a.rows.size,
    )
    .slice(0, maxCandidates)
    .map(({ values, row, rows: own }) => {
      const where = own.size === differing ? '' : ` (in ${own.size} of the ${differing} workloads that differ)`
      return {
        kind: values.kind,
        name: values.name,
        rows: [...own],
        text: `${textOf(values, row, machines)}${where}`,
      }
    })
}

interface Values {
  readonly kind: Candidate['kind']
  readonly name: string
  /** For each machine of the row, its values over all conditions: as a key, and in words. */
  readonly keys: readonly string[]
  readonly texts: readonly string[]
}

function valuesOf(row: MachineRow, facts: ReadonlyMap<string, Readonly<Record<string, string>>>): Values[] {
  // By kind and name: for each machine, its value in each condition; null if there is none.
  const found = new Map<string, { kind: Candidate['kind']; name: string; values: (string | null)[][] }>()
  const conditions = differingConditions(row)
  conditions.forEach(({ cells }, condition) => {
    cells.forEach((cell, machine) => {
      const put = (kind: Candidate['kind'], name: string, value: string) => {
        const key = `${kind} ${name}`
        const known = found.get(key) ?? { kind, name, values: row.machines.map(() => conditions.map(() => null)) }
        found.set(key, known)
        const own = known.values[machine] as (string | null)[]
        own[condition] = value
      }
      for (const [name, value] of Object.entries(cell.condition.effective)) {
        put('effective value', `${backendName(cell.condition.backend)}.${name}`, value)
      }
      for (const [name, value] of Object.entries(variablesOf(cell, facts))) put('variable', name, value)
    })
  })
  return [...found.values()].map(({ kind, name, values }) => {
    // All values that were in force, each once.
    const distinct = values.map((own) => [...new Set(own)])
    return {
      kind,
      name,
      keys: distinct.map((own) => JSON.stringify(own)),
      texts: distinct.map((own) => own.map((value) => valueText(kind, value)).join(', ')),
    }
  })
}

function valueText(kind: Candidate['kind'], value: string | null): string {
  return value === null ? words[kind].absent : value.trim() === '' ? words[kind].empty : value
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

function textOf({ name, keys, texts }: Values, row: MachineRow, machines: readonly MachineName[]): string {
  const groups = groupBy(
    keys.map((key, i) => ({ key, text: texts[i] as string, machine: row.machines[i] as number })),
    ({ key }) => key,
  )
  const said = [...groups.values()]
    .sort((a, b) => a.length - b.length)
    .map((own) => {
      const names = own.map(({ machine }) => machines[machine]?.name ?? '')
      return `${own[0]?.text} on ${names.length > 2 ? plural(names.length, 'machine') : listed(names)}`
    })
  return `${name} is ${said.slice(0, 3).join(', ')}${said.length > 3 ? ` and ${said.length - 3} more values` : ''}`
}
