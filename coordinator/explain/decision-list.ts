import type { Unit } from './minimal-facts.ts'
import { factPartitions } from './partition.ts'

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
  readonly holds: readonly boolean[]
}

const maxRules = 24
/** A fact of more values, as a serial number has, makes no rule that a person could use. */
const maxValues = 32
/** Equalities tried, and those of which pairs are; beyond, only those of the first facts. */
const maxLiterals = 400
const maxPaired = 80
/** Classes tried as the one that remains. */
const maxLast = 8

/**
 * The smallest decision list found over equalities of facts, one or two a rule. Greedy: each rule takes the most units
 * of one class that are left; tried with several classes as the one that remains, and the shortest kept. Not proven
 * smallest, for which the search is exponential (Rivest, Machine Learning 1987).
 *
 * @returns no rules where there is one class, or where no list of at most 24 rules, and fewer than units, was found
 */
export function decisionList(units: readonly Unit[]): Rule[] {
  const sorted = units.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const classes = [...new Set(sorted.map((unit) => unit.class))].sort()
  if (classes.length < 2 || classes.length > maxRules) return []
  const literals = literalsOf(sorted)
  const lists = classes.slice(0, maxLast).flatMap((last) => grow(sorted, literals, last) ?? [])
  const size = (rules: readonly Rule[]) => rules.reduce((sum, rule) => sum + 1 + rule.if.length, 0)
  return lists.reduce<Rule[]>((best, { rules }) => (best.length === 0 || size(rules) < size(best) ? rules : best), [])
}

function literalsOf(units: readonly Unit[]): Literal[] {
  const usable = factPartitions(units.map(({ facts }) => facts)).filter(({ count }) => count <= maxValues)
  const literals = usable.flatMap(({ name }) => {
    const values = [...new Set(units.map(({ facts }) => facts[name] ?? null))].sort(byValue)
    return values.map(
      (value): Literal => ({
        ...{ fact: name, op: '=', value },
        holds: units.map(({ facts }) => (facts[name] ?? null) === value),
      }),
    )
  })
  return literals.slice(0, maxLiterals)
}

/** A missing value first. */
function byValue(a: string | null, b: string | null): number {
  return a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1
}

/** Rules for all classes but one, which remains; undefined where the facts do not get there. */
function grow(units: readonly Unit[], literals: readonly Literal[], last: string): { rules: Rule[] } | undefined {
  const rules: Rule[] = []
  let left = units.map((_, u) => u)
  while (left.some((u) => units[u]?.class !== last)) {
    const best = bestRule(units, literals, left, last)
    if (!best || rules.length === Math.min(maxRules, units.length - 1)) return undefined
    rules.push({ if: best.literals.map(({ fact, op, value }) => ({ fact, op, value })), class: best.class })
    left = left.filter((u) => !best.literals.every(({ holds }) => holds[u]))
  }
  return { rules: [...rules, { if: [], class: last }] }
}

interface Candidate {
  readonly literals: readonly Literal[]
  readonly class: string
  readonly covered: number
}

/** One equality before two, then the more units, then the order of the facts. */
function bestRule(
  units: readonly Unit[],
  literals: readonly Literal[],
  left: readonly number[],
  last: string,
): Candidate | undefined {
  let best: Candidate | undefined
  const consider = (chosen: readonly Literal[]) => {
    let name: string | undefined
    let covered = 0
    for (const u of left) {
      if (!chosen.every(({ holds }) => holds[u])) continue
      const own = units[u]?.class
      if (own === last || (name !== undefined && name !== own)) return
      name = own
      covered++
    }
    if (name !== undefined && covered > (best?.covered ?? 0)) best = { literals: chosen, class: name, covered }
  }
  for (const literal of literals) consider([literal])
  if (best) return best
  const paired = literals.slice(0, maxPaired)
  paired.forEach((a, i) => {
    for (const b of paired.slice(i + 1)) if (a.fact !== b.fact) consider([a, b])
  })
  return best
}
