import type { Assignment } from './assignments.ts'
import { type Chance, chanceOf } from './chance.ts'
import { type FactSearch, searchFacts, type Unit } from './minimal-facts.ts'
import type { FactPartition } from './partition.ts'
import type { Work } from './search.ts'
import { classSizes } from './ways.ts'

/** A fact has this value; null: it is missing. */
export interface Equality {
  readonly fact: string
  readonly op: '='
  readonly value: string | null
}

/** Read from the top: the first rule of which all equalities hold gives the class; the last has none and always holds. */
export interface Rule {
  readonly if: readonly Equality[]
  readonly class: string
}

/** An equality, and which units it holds for. */
interface Literal extends Equality {
  readonly units: readonly number[]
  readonly blocks: Int32Array
  readonly block: number
}

/** The rule's literals, and the number of its class. */
interface Step {
  readonly literals: readonly Literal[]
  readonly class: number
}

const maxRules = 24
/** A fact of more values, as a serial number has, makes no rule that a person could use. */
const maxValues = 32
/** Equalities tried, and those of which pairs are; beyond, only those of the first facts. */
const maxLiterals = 400
const maxPaired = 80
/** Classes tried as the one that remains: those with the most units. */
const maxLast = 8

/**
 * The smallest decision list found over equalities of facts, one or two a rule. Greedy: each rule takes the most units
 * of one class that are left; tried with several classes as the one that remains, and the shortest kept. Not proven
 * smallest, for which the search is exponential (Rivest, Machine Learning 1987).
 *
 * @returns no rules if there is one class, or if no list of at most 24 rules, and fewer than units, was found
 */
export function decisionList(units: readonly Unit[], planned?: ReadonlySet<string>): Rule[] {
  return rulesOf(searchFacts(units, { planned, maxSize: 1 }))
}

/** The same, of facts that were searched already. */
export function rulesOf({ units, classes, partitions }: FactSearch): Rule[] {
  const names = [...new Map(units.map((unit, u) => [classes.blocks[u] as number, unit.class])).values()]
  if (names.length < 2 || names.length > maxRules) return []
  // Classes by size, as in an assignment; of one size, by their first units.
  const sizes = new Array<number>(names.length).fill(0)
  for (const block of classes.blocks) sizes[block] = (sizes[block] as number) + 1
  const bySize = names.map((_, k) => k).sort((a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b)
  const numbers = bySize.map((_, k) => bySize.indexOf(k))
  const steps = shortest(
    (unit) => numbers[classes.blocks[unit] as number] as number,
    { units: units.length, sizes: classSizes(classes), literals: literalsOf(units, partitions) },
    Infinity,
    { steps: 0 },
  )
  return (steps ?? []).map((step) => ({
    if: step.literals.map(({ fact, op, value }) => ({ fact, op, value })),
    class: names[bySize[step.class] as number] as string,
  }))
}

/** How many equalities and results a person has to read. */
export function listLength(rules: readonly { readonly if: readonly unknown[] }[]): number {
  return rules.reduce((sum, rule) => sum + 1 + rule.if.length, 0)
}

/** How likely a list of at most this length is found for machines of exchanged outcomes. */
export function listChance(
  { units, classes, partitions }: FactSearch,
  rules: readonly Rule[],
  work: Work,
  steps: number,
): Chance {
  const sizes = classSizes(classes)
  const table = { units: units.length, sizes, literals: literalsOf(units, partitions) }
  const length = listLength(rules)
  const holds = ({ classOf }: Assignment) => shortest(classOf, table, length, work) !== undefined
  return chanceOf(sizes, holds, work, steps)
}

function literalsOf(units: readonly Unit[], partitions: readonly FactPartition[]): Literal[] {
  const literals: Literal[] = []
  for (const { name, count, blocks } of partitions) {
    if (literals.length >= maxLiterals) break
    if (count > maxValues) continue
    const members = Array.from({ length: count }, (): number[] => [])
    blocks.forEach((block, unit) => members[block]?.push(unit))
    const own = members.map((all, block): Literal => {
      const value = units[all[0] as number]?.facts[name] ?? null
      return { fact: name, op: '=', value, units: all, blocks, block }
    })
    literals.push(...own.sort((a, b) => byValue(a.value, b.value)))
  }
  return literals.slice(0, maxLiterals)
}

/** A missing value first. */
function byValue(a: string | null, b: string | null): number {
  return a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1
}

interface Table {
  readonly units: number
  /** How many units each class has. */
  readonly sizes: readonly number[]
  readonly literals: readonly Literal[]
}

/** The shortest of the lists found, if it is not longer than `longest`. */
function shortest(
  classOf: Assignment['classOf'],
  table: Table,
  longest: number,
  work: Work,
): readonly Step[] | undefined {
  let best: readonly Step[] | undefined
  let least = longest
  for (let last = 0; last < Math.min(table.sizes.length, maxLast); last++) {
    const steps = grow(classOf, table, last, least, work)
    if (steps === undefined) continue
    const length = lengthOf(steps)
    if (best && length >= least) continue
    best = steps
    least = length
  }
  return best
}

function lengthOf(steps: readonly Step[]): number {
  return steps.reduce((sum, { literals }) => sum + 1 + literals.length, 0)
}

/** Rules for all classes but one, which remains; undefined if the facts do not get there within the length. */
function grow(
  classOf: Assignment['classOf'],
  { units, sizes, literals }: Table,
  last: number,
  longest: number,
  work: Work,
): Step[] | undefined {
  const steps: Step[] = []
  let left: Uint8Array | undefined
  let rest = units - (sizes[last] as number)
  while (rest > 0) {
    // The last rule has length 1, the next one at least 2.
    const room = longest - lengthOf(steps) - 1
    if (room < 2 || steps.length === Math.min(maxRules, units - 1)) return undefined
    // Without room for another rule after it, this one must cover all the rest.
    const least = room < 4 ? rest : 1
    const best = bestStep(classOf, { literals, left, last, least, pairs: room > 2 }, work)
    if (!best) return undefined
    steps.push(best)
    rest -= best.covered
    left ??= new Uint8Array(units).fill(1)
    for (let u = 0; u < units; u++) if (best.literals.every((literal) => holdsFor(literal, u))) left[u] = 0
  }
  return [...steps, { literals: [], class: last }]
}

function holdsFor({ blocks, block }: Literal, unit: number): boolean {
  return blocks[unit] === block
}

interface StepSearch {
  readonly literals: readonly Literal[]
  /** 1 for each unit that no rule covers yet; undefined if there is no rule yet. */
  readonly left: Uint8Array | undefined
  readonly last: number
  /** Units that the rule must cover at least. */
  readonly least: number
  /** Rules of two equalities are tried, too. */
  readonly pairs: boolean
}

/** One equality before two, then the more units, then the order of the facts. */
function bestStep(
  classOf: Assignment['classOf'],
  { literals, left, last, least, pairs }: StepSearch,
  work: Work,
): (Step & { covered: number }) | undefined {
  let best: (Step & { covered: number }) | undefined
  let most = least - 1
  const consider = (a: Literal, b: Literal | undefined) => {
    work.steps++
    if (a.units.length <= most) return
    let found = -1
    let covered = 0
    for (const unit of a.units) {
      work.steps++
      if ((left && left[unit] === 0) || (b && !holdsFor(b, unit))) continue
      const own = classOf(unit)
      if (own === last || (found !== -1 && found !== own)) return
      found = own
      covered++
    }
    if (covered <= most) return
    most = covered
    best = { literals: b ? [a, b] : [a], class: found, covered }
  }
  for (const literal of literals) consider(literal, undefined)
  if (best || !pairs) return best
  const paired = literals.slice(0, maxPaired)
  paired.forEach((a, i) => {
    for (const b of paired.slice(i + 1)) if (a.fact !== b.fact) consider(a, b)
  })
  return best
}
