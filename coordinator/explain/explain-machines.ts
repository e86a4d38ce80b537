import type { Facts } from '../../shared/facts.ts'
import { letterOf } from '../compare/classes.ts'
import type { Assignment } from './assignments.ts'
import { type Chance, chanceOf, holm, noChance } from './chance.ts'
import { listChance, type Rule, rulesOf } from './decision-list.ts'
import { createExistence } from './existence.ts'
import { type FactSearch, type FactSet, listSets, omittedTriples, searchFacts, type Unit } from './minimal-facts.ts'
import { machinesThatLack } from './lacking.ts'
import { type FactPartition, partitionBy } from './partition.ts'
import { besides, strangers, twinPairs } from './twins.ts'
import { canShowCause, chanceLimit, classSizes, waysToPart } from './ways.ts'

/** Machines that computed the same things, and what each got. */
export interface MachineRow {
  /** Any name; it comes back in the result. */
  readonly row: string
  readonly machines: readonly {
    /** Unique in its row; classes and twins are made of ids. */
    readonly id: string
    /** What texts call it; its id if left out. */
    readonly name?: string
    /** The same machine in all rows; its id if left out. */
    readonly machine?: string
    /** What texts call its class. If left out, letters are given in the order of the ids. */
    readonly letter?: string
    readonly facts: Facts
    /** Equal text stands for equal bits under all conditions that all machines of the row completed. */
    readonly outcome: string
  }[]
}

export interface MachineOptions {
  /** Names of the facts that the plan varied: they are named first. */
  readonly planned?: ReadonlySet<string>
  /** Elementary steps for all chances of all rows together. A claim that needs more has no figure. */
  readonly steps?: number
  /** The same for the chances of decision lists. Long lists would take most of the time and say little. */
  readonly listSteps?: number
}

/** Why a set of facts is not headlined as the cause. */
export type NotHeadlined =
  /** Even a perfect match could not have a chance of at most 5 %. */
  | { readonly reason: 'tooFewMachines'; readonly machines: number; readonly smallestChance: number }
  /** The chance was not counted: it would take too long. */
  | { readonly reason: 'bounded' }
  /** The chance, corrected for the number of hypotheses, is above 5 %. */
  | { readonly reason: 'chance'; readonly adjusted: number }
  /** More than one fact outside its family cannot be told from it. */
  | { readonly reason: 'inseparable'; readonly fact: string; readonly others: readonly string[] }
  /** Fewer than two disjoint pairs of machines differ in this fact and in nothing else. */
  | { readonly reason: 'twins'; readonly fact: string; readonly pairs: number }
  /** So many machines do not have this fact: whether it changed is not known. */
  | { readonly reason: 'lacking'; readonly fact: string; readonly machines: number }

/** A minimal set of facts that goes along with the classes of machines, and how strong a claim that is. */
export interface ObservedSet extends FactSet, Chance {
  /** The chance corrected for the distinct partitions of the machines over all rows (Holm); null if there is no figure. */
  readonly adjusted: number | null
  /** A report may name it as the cause. Otherwise it only goes along with the classes. */
  readonly headlined: boolean
  /** Every reason why it is not headlined. */
  readonly reasons: readonly NotHeadlined[]
  /** How many other facts go along as well: inseparable ones, and those of rival sets. */
  readonly alike: number
  /** Facts of other minimal sets of the same size, each by its first name. */
  readonly rivalFacts: readonly string[]
  /** For each fact, up to two disjoint pairs of machines that differ in it and in nothing else. */
  readonly twins: Readonly<Record<string, readonly (readonly [string, string])[]>>
}

export interface MachineExplanation {
  readonly row: string
  readonly machines: number
  /** Ids of machines with equal outcomes. Classes, which are called A, B, …, and their members are in order of the ids. */
  readonly classes: readonly (readonly string[])[]
  /** What a perfect match could reach: one divided by the number of ways to part the machines into such classes. */
  readonly smallestChance: number
  /** Distinct partitions of the machines over all rows that could show a cause: what the chances are corrected for. */
  readonly hypotheses: number
  readonly explanations: readonly ObservedSet[]
  readonly decisionList: ObservedList
  readonly candidates: number
  readonly unexplained?: string
  readonly bounded?: string
}

/** A decision list, and how likely one at most as long is found by luck. */
export interface ObservedList extends Chance {
  /** None if no short list gives the classes. */
  readonly rules: readonly Rule[]
}

const defaultSteps = 300_000_000
const defaultListSteps = 100_000_000

/** What is known of one row before the rows are corrected for each other. */
interface TestedRow {
  readonly search: FactSearch
  /** By the size of the sets. */
  readonly chances: ReadonlyMap<number, Chance>
  readonly list: ObservedList
}

/**
 * Why machines differ, row by row: all minimal sets of up to three facts, with the chance that machines of exchanged
 * outcomes would be explained as well, and whether the claim is strong enough to name a cause. A pure function: the
 * order of rows, machines and facts does not matter, and the same input always gives the same figures.
 *
 * Rows whose machines have the same `Facts` objects are compared faster.
 */
export function explainMachines(rows: readonly MachineRow[], options: MachineOptions = {}): MachineExplanation[] {
  const keys = createKeys()
  const partitions = rows.map(keys.partition)
  // Rows that part the machines alike, and whose machines have the same facts and names, have the same explanation.
  const contents = rows.map((row) => JSON.stringify([keys.units(row), keys.facts(row)]))
  const share = 1 / Math.max(1, new Set(contents).size)
  const steps = share * (options.steps ?? defaultSteps)
  const listSteps = share * (options.listSteps ?? defaultListSteps)
  const tested = new Map<string, TestedRow>()
  const factsKnown = new Map<string, readonly FactPartition[]>()
  rows.forEach(({ machines }, i) => {
    const content = contents[i] as string
    if (tested.has(content)) return
    const units = lettered(machines)
    const fleet = JSON.stringify([units.map(({ id }) => id), keys.facts(rows[i] as MachineRow)])
    const search = searchFacts(units, { planned: options.planned }, factsKnown.get(fleet))
    factsKnown.set(fleet, search.partitions)
    tested.set(content, testRow(search, steps, listSteps))
  })

  // A hypothesis is a partition that could show a cause, also if no fact explains it: to count only those that were
  // explained would choose by the outcome. If its rows differ in facts, the weakest of them speaks for it.
  const hypotheses = new Map<string, number>()
  rows.forEach((_, i) => {
    const row = tested.get(contents[i] as string) as TestedRow
    const partition = partitions[i] as string
    if (!canShowCause(waysToPart(classSizes(row.search.classes)))) return
    hypotheses.set(partition, Math.max(bestChance(row), hypotheses.get(partition) ?? 0))
  })
  const corrections = holm([...hypotheses.values()])
  const correctionOf = new Map([...hypotheses.keys()].map((partition, h) => [partition, corrections[h]]))
  return rows.map(({ row }, i) => {
    const correction = correctionOf.get(partitions[i] as string)
    return describeRow(row, tested.get(contents[i] as string) as TestedRow, hypotheses.size, correction)
  })
}

/** Machines with a letter for each outcome. */
function lettered(machines: MachineRow['machines']): Unit[] {
  const sorted = byId(machines)
  const { blocks } = partitionBy(sorted.map(({ outcome }) => outcome))
  return sorted.map(({ id, name, letter, facts }, i) => ({
    id,
    name,
    class: letter ?? letterOf(blocks[i] as number),
    facts,
  }))
}

function byId(machines: MachineRow['machines']): MachineRow['machines'] {
  return machines.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/** Names what rows have in common, whatever the order of their machines. */
function createKeys() {
  const texts = new Map<Facts, string>()
  const numbers = new Map<string, number>()
  const numberOf = (facts: Facts) => {
    const text = texts.get(facts) ?? JSON.stringify(Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1)))
    texts.set(facts, text)
    const number = numbers.get(text) ?? numbers.size
    numbers.set(text, number)
    return number
  }
  const blocksOf = (machines: MachineRow['machines']) => [...partitionBy(machines.map(({ outcome }) => outcome)).blocks]
  return {
    /** How the row parts machines: these may have other ids in another row. */
    partition: ({ machines }: MachineRow) => {
      const keyOf = ({ id, machine = id }: MachineRow['machines'][number]) => machine
      const sorted = machines.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
      return JSON.stringify([sorted.map(keyOf), blocksOf(sorted)])
    },
    units: ({ machines }: MachineRow) => {
      const sorted = byId(machines)
      return [sorted.map(({ id, name, letter }) => [id, name, letter]), blocksOf(sorted)]
    },
    facts: ({ machines }: MachineRow) => byId(machines).map(({ facts }) => numberOf(facts)),
  }
}

function testRow(search: FactSearch, steps: number, listSteps: number): TestedRow {
  const { classes, partitions, equal, found, limits } = search
  const sizes = classSizes(classes)
  const chances = new Map<number, Chance>()
  for (const size of new Set(found.slice(0, limits.listed).map(({ length }) => length))) {
    if (size === 3 && omittedTriples(search)) {
      chances.set(size, noChance('bounded'))
      continue
    }
    const work = { steps: 0 }
    const exists = createExistence(partitions, sizes, size, work, equal)
    // A set that equals the classes is named before any finer one. So a set of any size is a hit for these, too:
    // else a row would have two chances of its own, one to be equalled and one to be refined.
    const equals = equal ? undefined : createExistence(partitions, sizes, limits.maxSize, work, true)
    const holds = (assignment: Assignment) => exists(assignment) || (equals?.(assignment) ?? false)
    chances.set(size, chanceOf(sizes, holds, work, steps))
  }
  const rules = rulesOf(search)
  const list = rules.length === 0 ? { chance: null, draws: 0 } : listChance(search, rules, { steps: 0 }, listSteps)
  return { search, chances, list: { rules, ...list } }
}

/** That of the smallest sets, which stands for the row; 1 if no set was found or no figure can be given. */
function bestChance({ search, chances }: TestedRow): number {
  const [smallest] = search.found
  return (smallest && chances.get(smallest.length)?.chance) ?? 1
}

function describeRow(
  row: string,
  { search, chances, list }: TestedRow,
  hypotheses: number,
  correction: { factor: number; least: number } | undefined,
): MachineExplanation {
  const { units, classes } = search
  const sizes = classSizes(classes)
  const ways = waysToPart(sizes)
  const { explanations, ...rest } = listSets(search)
  const members = Array.from({ length: classes.count }, (): string[] => [])
  units.forEach(({ id }, u) => members[classes.blocks[u] as number]?.push(id))
  return {
    row,
    machines: units.length,
    classes: members,
    smallestChance: 1 / Number(ways),
    hypotheses,
    explanations: explanations.map((set, i) => {
      const chance = chances.get(set.facts.length) ?? noChance('bounded')
      const adjusted =
        chance.chance === null || !correction
          ? null
          : Math.min(1, Math.max(correction.least, correction.factor * chance.chance))
      return { ...set, ...chance, ...judge(search, i, chance, adjusted) }
    }),
    decisionList: list,
    ...rest,
  }
}

/** Whether a listed set may be named as the cause, and if not, why. */
function judge(
  search: FactSearch,
  place: number,
  { noFigure }: Chance,
  adjusted: number | null,
): Omit<ObservedSet, keyof FactSet | keyof Chance> {
  const { units, classes, partitions, found } = search
  const set = found[place] as readonly number[]
  const reasons: NotHeadlined[] = []
  if (adjusted === null) {
    const smallestChance = 1 / Number(waysToPart(classSizes(classes)))
    if (noFigure === 'tooFewMachines') reasons.push({ reason: noFigure, machines: units.length, smallestChance })
    else reasons.push({ reason: 'bounded' })
  } else if (adjusted > chanceLimit) reasons.push({ reason: 'chance', adjusted })
  const twins: Record<string, [string, string][]> = {}
  for (const at of set) {
    const partition = partitions[at] as FactPartition
    const others = strangers(partition)
    if (others.length > 1) reasons.push({ reason: 'inseparable', fact: partition.name, others: besides(partition) })
    const pairs = twinPairs(partitions, classes, set, at)
    twins[partition.name] = pairs.map(([a, b]) => [idOf(units, a), idOf(units, b)])
    if (pairs.length < 2) reasons.push({ reason: 'twins', fact: partition.name, pairs: pairs.length })
    const lacking = partition.lacking ? machinesThatLack(units, partition.name) : 0
    if (lacking > 0) reasons.push({ reason: 'lacking', fact: partition.name, machines: lacking })
  }
  const rivalFacts = rivalsOf(search, set)
  const facts = [...set, ...rivalFacts]
  const alike = facts.reduce((sum, at) => sum + 1 + (partitions[at] as FactPartition).inseparable.length, -set.length)
  return {
    adjusted,
    headlined: reasons.length === 0,
    reasons,
    alike,
    rivalFacts: rivalFacts.map((at) => (partitions[at] as FactPartition).name),
    twins,
  }
}

function idOf(units: readonly Unit[], unit: number): string {
  return (units[unit] as Unit).id
}

/** Places of the facts that other minimal sets of the same size are made of. */
function rivalsOf({ found }: FactSearch, set: readonly number[]): number[] {
  const places = new Set(found.filter(({ length }) => length === set.length).flat())
  return [...places].filter((at) => !set.includes(at)).sort((a, b) => a - b)
}
