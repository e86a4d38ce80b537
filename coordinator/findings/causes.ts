import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Facts } from '../../shared/facts.ts'
import { explainMachines, type MachineExplanation, type ObservedSet } from '../explain/explain-machines.ts'
import type { FactSet } from '../explain/minimal-facts.ts'
import { reasonText } from '../explain/reasons.ts'
import { agentFactsById, unitFacts } from '../explain/unit-facts.ts'
import { otherThings } from '../explain/words.ts'
import type { CauseFinding, Comparison, Explanation, MachinesFinding, ReportCore } from '../report/format.ts'
import { listed, percent, plural } from '../report/wording.ts'
import { differingConditions, machineConditions, type MachineRow, machineRows } from './machine-rows.ts'
import { type MachineName, machinesOf } from './machine-names.ts'
import type { Silence } from './silence.ts'

/** Inseparable facts and rules that are named. */
const namedAtMost = 6

/**
 * Facts that go along with the bits: over machines, with a chance and its judgement; and over the cells of each row,
 * without either, since cells of one machine are no independent machines.
 *
 * @param accounted rows all of whose differences the tested settings account for, claimed or only seen
 * @param judged    the rows of the machines finding: machines are called by the same letters everywhere
 * @param listSteps bounds the work for the chance of a list of rules, which no headline depends on
 */
export function findCauses(
  core: ReportCore,
  silence: Silence,
  accounted: ReadonlySet<number>,
  judged: MachinesFinding['rows'],
  listSteps?: number,
): CauseFinding[] {
  return [...machineCauses(core, silence, judged, listSteps), ...cellCauses(core, silence, accounted)]
}

function machineCauses(
  core: ReportCore,
  silence: Silence,
  judged: MachinesFinding['rows'],
  listSteps?: number,
): CauseFinding[] {
  const machines = machinesOf(core)
  const all = machineRows(machineConditions(core, machines, silence))
  const rows = largestApart(
    all.flatMap((row, i) => (new Set(row.vectors).size > 1 ? [{ ...row, letters: judged[i]?.letters ?? [] }] : [])),
  )
  if (rows.length === 0) return []
  const factsOf = machineFacts(core, machines)
  const explained = explainMachines(
    rows.map((row) => ({
      row: String(row.comparison),
      machines: row.machines.map((machine, i) => ({
        id: placeId(machine),
        name: machines[machine]?.name,
        letter: row.letters[machine] ?? undefined,
        facts: factsOf(row, i),
        outcome: row.vectors[i] as string,
      })),
    })),
    { listSteps },
  )
  const nameById = new Map(machines.map(({ name }, place) => [placeId(place), name]))
  const found = explained.flatMap((one) => causesOfRow(one, nameById))
  const merged = new Map<string, CauseFinding>()
  for (const cause of found) {
    const key = `${cause.of} ${cause.text}`
    const known = merged.get(key)
    merged.set(key, known ? { ...known, rows: [...known.rows, ...cause.rows] } : cause)
  }
  return [...merged.values()]
}

/**
 * Of the rows of a comparison, those with the most machines that have no machine in common: such as its processors and
 * its cards. Rows that share machines would be asked, and corrected for, several times.
 */
function largestApart<Row extends MachineRow>(rows: readonly Row[]): Row[] {
  const taken = new Map<number, Set<number>>()
  return rows.filter(({ comparison, machines }) => {
    const known = taken.get(comparison) ?? new Set<number>()
    if (machines.some((machine) => known.has(machine))) return false
    for (const machine of machines) known.add(machine)
    taken.set(comparison, known)
    return true
  })
}

/**
 * A machine by its place in the order of names. Ids of agents are random: with them, figures that depend on the order of
 * machines would be others in each lab.
 */
function placeId(place: number): string {
  return String(place).padStart(7, '0')
}

/**
 * The facts of a machine in a row: its agent's, and what its executions agree on under every condition in which machines
 * differ. Equal facts are one object, so that rows are compared fast.
 */
function machineFacts(core: ReportCore, machines: readonly MachineName[]): (row: MachineRow, at: number) => Facts {
  const agentFacts = agentFactsById(core.agents)
  const known = new Map<string, Facts>()
  return (row, at) => {
    const [conditions, places] = [differingConditions(row), row.machines]
    const agent = machines[places[at] as number]?.agent ?? ''
    const cells = conditions.flatMap((condition) => condition.cells[at] ?? [])
    const key = canonicalJson([
      agent,
      cells.map(({ facts, condition, varying }) => [facts, condition.effective, varying]),
    ])
    const before = known.get(key)
    if (before !== undefined) return before
    const all = cells.map((cell) => unitFacts(agentFacts.get(agent) ?? {}, cell))
    const [first = {}, ...others] = all
    // A value on which two conditions of one machine disagree is not a fact of the machine. A value that only one of them has is.
    const facts: Record<string, string> = { ...first }
    const dropped = new Set<string>()
    for (const other of others) {
      for (const [name, value] of Object.entries(other)) {
        if (facts[name] === undefined && !dropped.has(name)) facts[name] = value
        else if (facts[name] !== value) {
          dropped.add(name)
          delete facts[name]
        }
      }
    }
    known.set(key, facts)
    return facts
  }
}

function causesOfRow(explained: MachineExplanation, names: ReadonlyMap<string, string>): CauseFinding[] {
  const { row, machines, explanations, unexplained, decisionList } = explained
  const rows = [Number(row)]
  const best = explanations.find(({ headlined }) => headlined) ?? explanations[0]
  const causes: CauseFinding[] = []
  if (best !== undefined) {
    causes.push({
      of: 'machines',
      rows,
      facts: namesOf(best),
      headlined: best.headlined,
      chance: best.adjusted,
      reasons: best.reasons.map((reason) => reasonText(reason)),
      ...(best.rivalFacts.length === 0 ? {} : { rivals: [...best.rivalFacts] }),
      text: setText(best, machines, names),
    })
  } else if (unexplained !== undefined) {
    const text = `over ${plural(machines, 'machine')}: unexplained: ${unexplained}`
    causes.push({ of: 'machines', rows, facts: [], headlined: false, chance: null, reasons: [unexplained], text })
  }
  if (decisionList.rules.length > 0 && (best === undefined || best.facts.length > 1)) {
    const rules = decisionList.rules.slice(0, namedAtMost).map(({ if: equalities, class: outcome }, i) => {
      const said = equalities.map(({ fact, value }) => (value === null ? `${fact} is missing` : `${fact} = ${value}`))
      return said.length === 0
        ? `else ${outcome}`
        : `${i === 0 ? 'if' : 'else if'} ${said.join(' and ')} then ${outcome}`
    })
    const more = decisionList.rules.length > namedAtMost ? '; …' : ''
    const chance =
      decisionList.chance === null
        ? 'no chance can be given'
        : `a list as short is found by chance in ${percent(decisionList.chance)}`
    causes.push({
      of: 'machines',
      rows,
      facts: [...new Set(decisionList.rules.flatMap((rule) => rule.if.map(({ fact }) => fact)))].map((fact) => [fact]),
      headlined: false,
      chance: decisionList.chance,
      reasons: ['a list of rules is never named as the cause'],
      text: `shortest rules found: ${rules.join('; ')}${more} (${chance})`,
    })
  }
  return causes
}

function setText(set: ObservedSet, machines: number, names: ReadonlyMap<string, string>): string {
  const facts = factsText(set)
  const how = set.equal ? 'just as' : 'more finely than'
  if (set.headlined) {
    const verb = set.facts.length === 1 ? 'groups' : 'together group'
    const rivals = set.rivalFacts.length === 0 ? '' : `; ${rivalFactsText(set)}`
    return `${facts} ${verb} the ${plural(machines, 'machine')} ${how} their bits do; chance does as well in ${percent(set.adjusted ?? 1)}; ${twinsText(set, machines, names)}${rivals}`
  }
  const others =
    set.alike === 0 ? 'no other fact does' : `${plural(set.alike, 'other fact')} ${set.alike === 1 ? 'does' : 'do'} so`
  const why = set.reasons.map((reason) => reasonText(reason))
  return `the bits go along with ${facts}${set.equal ? '' : ', which groups the machines more finely'}; ${others}; not named as the cause: ${why.join('; ')}`
}

/** The pairs of machines that show each fact. What the rule leaves out when it compares them is said as well. */
function twinsText({ twins }: ObservedSet, machines: number, names: ReadonlyMap<string, string>): string {
  const single = Object.keys(twins).length === 1
  const said = Object.entries(twins).map(([fact, pairs]) => {
    const each = pairs.map((pair) => `(${pair.map((id) => names.get(id) ?? id).join(', ')})`)
    return `${single ? '' : `for ${fact}, `}${listed(each)}`
  })
  return `twins: ${said.join('; ')}; the two machines of a pair differ in no other fact outside its family, apart from facts with more than ${plural(Math.floor(machines / 2), 'value')}`
}

/** Facts that explain the machines as well. None of them is more likely the cause than those that are named. */
function rivalFactsText({ rivalFacts, facts }: ObservedSet): string {
  const more = rivalFacts.length > namedAtMost ? [`${rivalFacts.length - namedAtMost} more`] : []
  const named = listed([...rivalFacts.slice(0, namedAtMost), ...more])
  if (facts.length > 1) return `sets with ${named} explain the bits as well`
  return `${named} ${rivalFacts.length === 1 ? 'explains' : 'explain'} the bits as well`
}

/** Over cells of one row: named, and never as the cause. */
function cellCauses({ comparisons }: ReportCore, silence: Silence, accounted: ReadonlySet<number>): CauseFinding[] {
  return comparisons.flatMap((comparison, index): CauseFinding[] => {
    if (comparison.classes.length < 2) return []
    const best = comparison.explanations.find((set) => !isEmptyClaim(set, comparison, silence))
    if (best === undefined && comparison.explanations.length > 0) return []
    const finding = { of: 'cells' as const, rows: [index], headlined: false, chance: null }
    if (accounted.has(index)) {
      const facts = best === undefined ? [] : beyondSettings(best)
      const beyond = facts.flat()
      if (beyond.length === 0) return []
      const more = beyond.length > namedAtMost ? [`${beyond.length - namedAtMost} more`] : []
      const [follow, they] = beyond.length === 1 ? ['follows', 'it'] : ['follow', 'they']
      const text = `${listed([...beyond.slice(0, namedAtMost), ...more])} ${follow} the tested settings: ${they} may be how these act, or only show their values`
      return [{ ...finding, facts, reasons: ['cells of one machine are not independent'], text }]
    }
    if (best !== undefined) {
      const silenced = comparison.classes.some((one) => one.cells.some((id) => silence.reason(id) !== undefined))
      const over = silenced ? 'over the cells whose conditions agree with themselves' : 'over the cells'
      const text = `${over}, the bits go along with ${factsText(best)}${best.equal ? '' : ' (equal facts always gave equal bits, and some different facts did, too)'}${rivalsText(best)}${lackText(best)}; this alone shows no cause`
      return [{ ...finding, facts: namesOf(best), reasons: ['cells of one machine are not independent'], text }]
    }
    // Other inputs are the reason already.
    if (comparison.inputsEqual === false || comparison.unexplained === undefined) return []
    const text = `over the cells: unexplained: ${comparison.unexplained}`
    return [{ ...finding, facts: [], reasons: [comparison.unexplained], text }]
  })
}

/**
 * Where tested settings account for all differences, an observation of these settings says less than the test. Facts that
 * go along with them, such as a floating-point mode, can be how a setting acts.
 */
function beyondSettings(set: FactSet): string[][] {
  const all = namesOf(set)
  // Another backend or version has other libraries: that is no news.
  const software = all.flat().some((fact) => fact === 'backend' || fact === 'backend.version')
  const isBeyond = (fact: string) => (software ? fact.startsWith('fp.') : !/^(?:knob|env)\./.test(fact))
  return all.map((names) => names.filter(isBeyond)).filter((names) => names.length > 0)
}

/**
 * That equal facts always gave equal bits says nothing if no two cells have equal facts: any facts that tell all cells
 * apart would do.
 */
function isEmptyClaim({ equal, values }: Explanation, { classes }: Comparison, silence: Silence): boolean {
  const cells = classes.flatMap((one) => one.cells).filter((id) => silence.reason(id) === undefined)
  return !equal && Object.values(values).flat().length === cells.length
}

/** A class whose cells do not have a fact may differ for another reason, such as its backend. */
function lackText({ facts, values }: Pick<Explanation, 'facts' | 'values'>): string {
  return facts
    .flatMap((fact) => {
      const lacks = (combination: Readonly<Record<string, string>>) => combination[fact] === undefined
      const letters = (holds: (combinations: readonly Readonly<Record<string, string>>[]) => boolean) =>
        Object.entries(values).flatMap(([letter, combinations]) => (holds(combinations) ? [letter] : []))
      const all = letters((combinations) => combinations.every(lacks))
      const some = letters((combinations) => combinations.some(lacks) && !combinations.every(lacks))
      const who = [
        ...(all.length > 0 ? [`cells of ${listed(all.slice(0, namedAtMost))}`] : []),
        ...(some.length > 0 ? [`some cells of ${listed(some.slice(0, namedAtMost))}`] : []),
      ]
      return who.length === 0 ? [] : [`; ${listed(who)} have no ${fact}`]
    })
    .join('')
}

function rivalsText({ rivals, facts }: FactSet): string {
  return rivals === 0
    ? ''
    : `; ${plural(rivals, 'other set')} of ${plural(facts.length, 'fact')} ${rivals === 1 ? 'does' : 'do'} so, too`
}

/** Each fact with those that cannot be told from it, the most useful first. */
function namesOf({ facts, inseparable }: FactSet): string[][] {
  return facts.map((fact) => [fact, ...(inseparable[fact] ?? [])])
}

function factsText(set: FactSet): string {
  return listed(
    namesOf(set).map(([fact = '', ...all]) => {
      const others = otherThings(fact, all)
      if (others.length === 0) return fact
      const more = others.length > namedAtMost ? [`${others.length - namedAtMost} more`] : []
      return `${fact} (cannot be told apart here from ${listed([...others.slice(0, namedAtMost), ...more])})`
    }),
  )
}
