import { groupBy } from '../../shared/group-by.ts'
import type { Comparison, Machine, MachinesFinding } from '../report/format.ts'
import { grouped, listed, plural } from '../report/wording.ts'
import { tooFewText } from './executions.ts'
import type { MachineRow } from './machine-rows.ts'
import type { MachineStrength } from './machine-trials.ts'

// The machines line in words. Every number of workloads is of those in which the machines that it is said of were compared.

export interface JudgedRow extends MachineStrength {
  readonly row: MachineRow
  /** Places of machines outside a class of more than half of at least three. */
  readonly odd: readonly number[]
  /** How many classes its machines have; one if they agree. */
  readonly groups: number
  /** The machines differ, and cells of this comparison had other inputs. */
  readonly inputsDiffer: boolean
}

export interface Told extends Pick<MachinesFinding, 'strength' | 'executions' | 'needs'> {
  readonly machines: readonly Machine[]
  readonly judged: readonly JudgedRow[]
  readonly comparisons: readonly Comparison[]
}

export const namedAtMost = 4

export function namesText(machines: readonly { readonly name: string }[]): string {
  if (machines.length <= namedAtMost) return listed(machines.map(({ name }) => name))
  return `${machines
    .slice(0, 2)
    .map(({ name }) => name)
    .join(', ')} and ${grouped(machines.length - 2)} others`
}

/** The place of the machine that is odd most often. */
export function oddestMachine(machines: readonly Machine[]): number | undefined {
  const most = machines.reduce((best, { odd }) => Math.max(best, odd), 0)
  return most === 0 ? undefined : machines.findIndex(({ odd }) => odd === most)
}

function countOf(judged: readonly JudgedRow[]): number {
  return new Set(judged.map(({ row }) => row.comparison)).size
}

function workloads(count: number): string {
  return plural(count, 'workload')
}

/** Machines that agree wherever they were compared: by sets whose machines were compared with each other. */
export function agreeText(told: Told): string {
  const { machines, judged, comparisons } = told
  const sets = connectedSets(judged)
  const said = sets.map((rows) => agreeingText(rows, machines, comparisons.length, sets.length === 1))
  const apart = sets.length > 1 ? ' These sets of machines were not compared with each other.' : ''
  const shown = said.slice(0, namedAtMost)
  if (said.length > shown.length) shown.push(`${grouped(said.length - shown.length)} more sets of machines agree, too`)
  return `${shown.join('; ')}.${apart}${restText(told)}`
}

/** Rows that share machines, directly or through others. */
function connectedSets(judged: readonly JudgedRow[]): JudgedRow[][] {
  const parent = new Map<number, number>()
  const rootOf = (machine: number): number => {
    let root = machine
    for (let next = parent.get(root); next !== undefined && next !== root; next = parent.get(root)) root = next
    parent.set(machine, root)
    return root
  }
  for (const { row } of judged) {
    const root = rootOf(row.machines[0] as number)
    for (const machine of row.machines) parent.set(rootOf(machine), root)
  }
  return [...groupBy(judged, ({ row }) => String(rootOf(row.machines[0] as number))).values()]
}

/** @param only whether this set is the only one */
function agreeingText(
  judged: readonly JudgedRow[],
  machines: readonly Machine[],
  planned: number,
  only: boolean,
): string {
  const count = countOf(judged)
  // The first row of a comparison has the most machines.
  const main = [...groupBy(judged, ({ row }) => String(row.comparison)).values()].map(
    ([first]) => new Set((first as JudgedRow).row.machines),
  )
  const taking = [...new Set(judged.flatMap(({ row }) => row.machines))].sort((a, b) => a - b)
  const full = taking.filter((machine) => main.every((own) => own.has(machine)))
  const at = (places: readonly number[]) => places.map((place) => machines[place] as Machine)
  if (full.length < 2)
    return `${only ? 'Machines' : 'machines'} agree wherever they were compared: ${setsText(judged, machines)}`
  const whole = only && full.length === taking.length && full.length > 2
  const who = whole ? `All ${grouped(full.length)} machines` : namesText(at(full))
  const where =
    count < planned
      ? `${grouped(count)} of ${workloads(planned)}`
      : count === 1
        ? '1 workload'
        : `all ${workloads(count)}`
  return `${who} agree in ${where}${partlyText(at(taking.filter((machine) => !full.includes(machine))), count)}`
}

/** Machines that were compared in fewer workloads than the others of their set, or with fewer machines. */
function partlyText(partly: readonly Machine[], count: number): string {
  if (partly.length === 0) return ''
  const agree = partly.length === 1 ? 'agrees' : 'agree'
  if (partly.every(({ compared }) => compared === count)) {
    return `; ${namesText(partly)} ${partly.length === 1 ? 'was' : 'were'} compared with only some of them, and ${agree}`
  }
  return `; ${comparedText(partly, ' of these')}, and ${agree} there`
}

/** "c was compared in 1 of these and d in 11". */
function comparedText(machines: readonly Machine[], of = ''): string {
  const [first, ...others] = machines.slice(0, namedAtMost)
  if (first === undefined) return ''
  const more = machines.length - 1 - others.length
  const counts = [
    `${first.name} was compared in ${grouped(first.compared)}${of}`,
    ...others.map(({ name, compared }) => `${name} in ${grouped(compared)}`),
    ...(more > 0 ? [`${plural(more, 'more machine')} in fewer than all`] : []),
  ]
  return listed(counts)
}

/** Sets of machines that were compared with each other, and in how many workloads. */
function setsText(judged: readonly JudgedRow[], machines: readonly Machine[]): string {
  const sets = [...groupBy(judged, ({ row }) => row.machines.join(' ')).values()].sort(
    (a, b) => countOf(b) - countOf(a),
  )
  const said = sets.slice(0, namedAtMost).map((own, i) => {
    const names = namesText((own[0] as JudgedRow).row.machines.map((place) => machines[place] as Machine))
    return `${names} in ${i === 0 ? workloads(countOf(own)) : grouped(countOf(own))}`
  })
  if (sets.length > said.length) said.push(`${grouped(sets.length - said.length)} more sets of machines`)
  return listed(said)
}

/** Workloads in which no two machines were compared. */
function restText({ judged, comparisons }: Told): string {
  const rest = comparisons.length - countOf(judged)
  return rest === 0
    ? ''
    : ` In ${rest === 1 ? '1 other workload' : `${grouped(rest)} other workloads`} no two machines were compared.`
}

/** Who differs from whom, in how many workloads, and how sure that is. */
export function differText(told: Told, candidates: MachinesFinding['candidates']): string {
  const { machines, judged, executions, needs } = told
  const differing = judged.filter(({ groups }) => groups > 1)
  const evident = differing.filter(({ inputsDiffer }) => !inputsDiffer)
  const seen = evident.filter(({ strength }) => strength === 'seen')
  // If some are claimed and others only seen, each clause says it.
  const mixed = seen.length > 0 && seen.length < evident.length
  const clauses = [...oddClauses(told, mixed), ...pairClauses(told, mixed), ...splitClauses(told, mixed)]
  const agreeing = agreeingSets(judged, machines)
  const head = `${capital(clauses.join(', '))}${agreeing === '' ? '' : `; ${agreeing}`}.`
  const marked =
    seen.length === 0
      ? ''
      : ` ${tooFewText(executions, needs, mixed ? 'What was only seen has' : 'This was seen, with')}`
  const [first] = candidates
  const look = first === undefined ? '' : ` First to look at: ${first.text}.`
  return `${head}${marked}${inputsText(differing)}${look}${coverageText(told)}${restText(told)}`
}

function capital(text: string): string {
  return text.startsWith('in ') ? `I${text.slice(1)}` : text
}

/** Behind a count of rows: how many of them are only seen. */
function seenMark(rows: readonly JudgedRow[], mixed: boolean): string {
  if (!mixed) return ''
  const count = countOf(rows)
  const seen = countOf(rows.filter(({ strength, inputsDiffer }) => strength === 'seen' && !inputsDiffer))
  return seen === 0 ? '' : seen === count ? ' (only seen)' : ` (only seen in ${grouped(seen)} of them)`
}

function oddClauses({ machines, judged }: Told, mixed: boolean): string[] {
  const odd = machines
    .map((machine, place) => ({ machine, place }))
    .filter(({ machine }) => machine.odd > 0)
    .sort((a, b) => b.machine.odd - a.machine.odd)
  const clauses = odd.slice(0, namedAtMost).map(({ machine, place }, i) => {
    const own = judged.filter((row) => row.odd.includes(place))
    const mark = seenMark(own, mixed)
    const sameTotal = machine.compared === odd[0]?.machine.compared
    if (i > 0) {
      return `${machine.name} in ${grouped(machine.odd)}${sameTotal ? '' : ` of ${grouped(machine.compared)}`}${mark}`
    }
    const others = odd.length > 1 ? 'most of the others' : othersText(own, place, machines)
    return `${machine.name} differs from ${others} in ${grouped(machine.odd)} of ${workloads(machine.compared)}${mark}`
  })
  if (odd.length > namedAtMost) {
    const more = odd.slice(namedAtMost).map(({ place }) => place)
    const own = judged.filter((row) => row.odd.some((place) => more.includes(place)))
    clauses.push(`and ${plural(more.length, 'more machine')} in some${seenMark(own, mixed)}`)
  }
  return clauses
}

/** The machines that one machine differs from where it is odd: all others of its rows. */
function othersText(rows: readonly JudgedRow[], place: number, machines: readonly Machine[]): string {
  const sets = new Set(rows.map(({ row }) => row.machines.join(' ')))
  const others = (rows[0]?.row.machines ?? []).filter((one) => one !== place)
  if (sets.size > 1) return 'all machines that it was compared with there'
  const taking = machines.filter(({ compared }) => compared > 0).length
  if (others.length === taking - 1) return `the other ${grouped(others.length)} machines`
  return namesText(others.map((one) => machines[one] as Machine))
}

/** Of two machines alone, none is the odd one. A pair is left out where one of it is odd already. */
function pairClauses({ machines, judged }: Told, mixed: boolean): string[] {
  const told = new Set(judged.flatMap(({ row, odd }) => odd.map((machine) => `${row.comparison} ${machine}`)))
  const pairs = judged.filter(
    ({ row, groups }) =>
      groups > 1 &&
      row.machines.length === 2 &&
      !row.machines.some((machine) => told.has(`${row.comparison} ${machine}`)),
  )
  const byPair = [...groupBy(pairs, ({ row }) => row.machines.join(' ')).values()].sort(
    (a, b) => countOf(b) - countOf(a),
  )
  const clauses = byPair.slice(0, namedAtMost).map((own) => {
    const [a, b] = (own[0] as JudgedRow).row.machines as [number, number]
    const both = judged.filter(({ row }) => row.machines.includes(a) && row.machines.includes(b))
    const names = namesText([machines[a] as Machine, machines[b] as Machine])
    return `${names} differ in ${grouped(countOf(own))} of ${workloads(countOf(both))}${seenMark(own, mixed)}`
  })
  if (byPair.length > namedAtMost) clauses.push(`and ${plural(byPair.length - namedAtMost, 'more pair')} in some`)
  const last = clauses.pop()
  if (last === undefined) return []
  return [...clauses, `${last}; which of ${byPair.length > 1 ? 'two' : 'the two'} is the odd one cannot be told`]
}

function splitClauses({ machines, judged }: Told, mixed: boolean): string[] {
  const taking = machines.filter(({ compared }) => compared > 0).length
  const bySet = [...groupBy(judged, ({ row }) => row.machines.join(' ')).values()].filter((own) => own.some(isSplit))
  const clauses = bySet.slice(0, namedAtMost).map((own) => {
    const places = (own[0] as JudgedRow).row.machines
    const split = own.filter(isSplit)
    const who = places.length === taking ? 'the machines' : namesText(places.map((place) => machines[place] as Machine))
    return `in ${grouped(countOf(split))} of ${workloads(countOf(own))} ${who} differ and no class holds more than half of them${seenMark(split, mixed)}`
  })
  if (bySet.length > namedAtMost)
    clauses.push(`and so do ${plural(bySet.length - namedAtMost, 'more set')} of machines`)
  return clauses
}

/** Three or more machines that differ, none of which is the odd one. */
function isSplit({ row, groups, odd }: JudgedRow): boolean {
  return groups > 1 && row.machines.length > 2 && odd.length === 0
}

/** Sets of machines that were compared in the same rows and have equal letters in all of them, the largest first. */
function agreeingSets(judged: readonly JudgedRow[], machines: readonly Machine[]): string {
  const vectors = machines.map((): string[] => [])
  judged.forEach(({ row }, i) => {
    row.machines.forEach((machine, at) => vectors[machine]?.push(`${i}: ${row.vectors[at]}`))
  })
  const places = machines.flatMap(({ compared }, place) => (compared > 0 ? [place] : []))
  const sets = [...groupBy(places, (place) => (vectors[place] as string[]).join('\n')).values()]
    .filter((own) => own.length > 1)
    .sort((a, b) => b.length - a.length)
    .map((own) => own.map((place) => machines[place] as Machine))
  const total = countOf(judged)
  const [first, ...others] = sets
  if (first === undefined) return ''
  const inAll = (own: readonly Machine[]) =>
    own[0]?.compared === total ? '' : ` ${grouped(own[0]?.compared ?? 0)} in which they were compared`
  const said = others
    .slice(0, 2)
    .map((own) => `so do ${namesText(own)}${inAll(own) === '' ? '' : ` in all${inAll(own)}`}`)
  if (others.length > 2) said.push(`so do ${grouped(others.length - 2)} more sets of machines`)
  return [`${namesText(first)} agree in all${inAll(first)}`, ...said].join(', and ')
}

/** Machines that were compared in fewer workloads than there are. */
function coverageText({ machines, judged }: Told): string {
  const total = countOf(judged)
  const fewer = machines.filter(({ compared }) => compared > 0 && compared < total)
  return fewer.length === 0 ? '' : ` Of ${workloads(total)}, ${comparedText(fewer)}.`
}

function inputsText(differing: readonly JudgedRow[]): string {
  const other = countOf(differing.filter(({ inputsDiffer }) => inputsDiffer))
  if (other === 0) return ''
  const where = other === countOf(differing) ? 'There' : `In ${grouped(other)} of these workloads`
  return ` ${where} the inputs differ, too, so that says nothing about how the machines compute.`
}
