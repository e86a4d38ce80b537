import { canonicalJson } from '../../shared/canonical-json.ts'
import { type Facts, isFactKey } from '../../shared/facts.ts'
import { byName } from '../explain/fact-order.ts'
import { agentFactsById, unitFacts } from '../explain/unit-facts.ts'
import { arrayKey } from '../../shared/tensor.ts'
import type { Report, ReportCell, SelfDifference } from '../report/format.ts'
import { selfDifferenceText } from '../report/kind-text.ts'
import { typeText } from './measured-pair.ts'
import { visibleLine } from '../../shared/visible.ts'
import { agentNames, conditionText, paramsText, plural } from '../report/wording.ts'

/** `unsupported`: on both sides; `incomplete`: else one of the two has no completed execution. */
export type PairResult = 'equal' | 'different' | 'nondeterministic' | 'unsupported' | 'incomplete'

const noPairs = (): Record<PairResult, number> => ({
  ...{ equal: 0, different: 0, nondeterministic: 0 },
  ...{ unsupported: 0, incomplete: 0 },
})

export interface CellPair {
  readonly workload: string
  readonly workloadVersion: number
  readonly params: Readonly<Record<string, unknown>>
  readonly seed: string
  readonly condition: Pick<ReportCell['condition'], 'backend' | 'device' | 'label' | 'knobs'>
  /** Cell ids in the two reports. */
  readonly cells: readonly [string, string]
  /** Names of their agents, told apart where two have one name. */
  readonly agents: readonly [string, string]
  readonly result: PairResult
  /** Distinct traces of each, in the order of repetitions. */
  readonly traces: readonly [readonly string[], readonly string[]]
  /** Where each side differs from itself; null for a side that repeats. */
  readonly selfDifferences: readonly [SelfDifference | null, SelfDifference | null]
  /** Final tensors that differ in dtype, shape or bytes; bits where they are few. Null on the side without one. */
  readonly outputs: readonly {
    readonly name: string
    readonly types: readonly [string | null, string | null]
    readonly digests: readonly [string | null, string | null]
    readonly bits: readonly [readonly string[], readonly string[]] | null
  }[]
}

/** A fact that both sides have, with different values. A value that varied between executions is all that were seen. */
export interface DifferingFact {
  readonly fact: string
  readonly values: readonly [string, string]
  /** How many pairs of cells have just these values, by what became of them. */
  readonly pairs: Readonly<Record<PairResult, number>>
}

/** A fact that only one side has. That may be because it changed, or because only one side could read it. */
export interface LoneFact {
  readonly fact: string
  readonly value: string
  /** How many pairs of cells have it on this side only, by what became of them. */
  readonly pairs: Readonly<Record<PairResult, number>>
}

export interface ReportDiff {
  readonly runs: readonly [
    { readonly id: string; readonly name: string },
    { readonly id: string; readonly name: string },
  ]
  readonly result: 'identical' | 'different' | 'incomplete' | 'nothing compared'
  readonly counts: Readonly<Record<PairResult, number>>
  readonly pairs: readonly CellPair[]
  /** Cells without a partner of the same workload, parameters, seed and condition. */
  readonly unmatched: readonly [readonly string[], readonly string[]]
  readonly facts: readonly DifferingFact[]
  /** Facts recorded only in the first, and only in the second. */
  readonly recordedOnlyIn: readonly [readonly LoneFact[], readonly LoneFact[]]
}

/**
 * Compares two runs cell by cell, as of one plan before and after a change. Cells are partners that have workload,
 * version, parameters, seed and condition in common; among several, those of the same agent, else of an agent of the
 * same name, else in the order of agents. Which facts differ is said, not which of them is the cause.
 */
export function diffReports(a: Report, b: Report): ReportDiff {
  const { partners, unmatched } = matchCells(a, b)
  const [factsA, factsB] = [factsByCell(a), factsByCell(b)]
  const [namesA, namesB] = [agentNames(a), agentNames(b)]
  const [selfA, selfB] = [selfDifferences(a), selfDifferences(b)]
  const pairs = partners.map(([x, y]): CellPair => {
    const agents = [namesA.get(x.agent) ?? x.agent, namesB.get(y.agent) ?? y.agent] as const
    return { ...comparePair(x, y, agents), selfDifferences: [selfA.get(x.id) ?? null, selfB.get(y.id) ?? null] }
  })
  const counts = noPairs()
  const [changed, onlyA, onlyB] = [createFactCounts(), createFactCounts(), createFactCounts()]
  for (const pair of pairs) {
    counts[pair.result]++
    const [left, right] = [factsA.get(pair.cells[0]) ?? {}, factsB.get(pair.cells[1]) ?? {}]
    for (const fact of new Set([...Object.keys(left), ...Object.keys(right)])) {
      const [a, b] = [left[fact], right[fact]]
      if (b === undefined) onlyA.add(fact, [a as string], pair.result)
      else if (a === undefined) onlyB.add(fact, [b], pair.result)
      else if (a !== b) changed.add(fact, [a, b], pair.result)
    }
  }
  const lone = (found: FactCounts) =>
    found
      .sorted()
      .map(({ fact, values: [value], pairs: of }): LoneFact => ({ fact, value: value as string, pairs: of }))
  const incomplete = counts.incomplete + unmatched[0].length + unmatched[1].length > 0
  const differing = counts.different + counts.nondeterministic
  const otherwise = counts.equal === 0 ? 'nothing compared' : incomplete ? 'incomplete' : 'identical'
  return {
    runs: [
      { id: a.run.id, name: a.run.name },
      { id: b.run.id, name: b.run.name },
    ],
    result: differing > 0 ? 'different' : otherwise,
    counts,
    pairs,
    unmatched,
    facts: changed.sorted().map(
      ({ fact, values: [left, right], pairs: of }): DifferingFact => ({
        fact,
        values: [left as string, right as string],
        pairs: of,
      }),
    ),
    recordedOnlyIn: [lone(onlyA), lone(onlyB)],
  }
}

type FactCounts = ReturnType<typeof createFactCounts>

/** Counts pairs of cells by a fact and its values. */
function createFactCounts() {
  const found = new Map<string, { fact: string; values: readonly string[]; pairs: Record<PairResult, number> }>()
  return {
    add(fact: string, values: readonly string[], result: PairResult) {
      const key = JSON.stringify([fact, ...values])
      const known = found.get(key) ?? { fact, values, pairs: noPairs() }
      known.pairs[result]++
      found.set(key, known)
    },
    sorted: () =>
      [...found].sort(([x, { fact: f }], [y, { fact: g }]) => byName(f, g) || (x < y ? -1 : 1)).map(([, one]) => one),
  }
}

/** As FORMATS says of `diff`: 1 where bits differ, 3 where something was not compared, 0. */
export function diffExitCode({ result }: ReportDiff): 0 | 1 | 3 {
  return result === 'identical' ? 0 : result === 'different' ? 1 : 3
}

/**
 * The facts of each cell. One that varied between its executions has all values that were seen, such as `0 or 0-1`:
 * without them it would read as if it had not been recorded.
 */
function factsByCell(report: Report): Map<string, Facts> {
  const agentFacts = agentFactsById(report.agents)
  return new Map(
    report.cells.map((cell) => {
      const varied = Object.entries(cell.varying).flatMap(([fact, values]): [string, string][] => {
        const seen = values.filter((value) => value !== '')
        return seen.length > 0 && isFactKey(fact) ? [[fact, seen.join(' or ')]] : []
      })
      return [cell.id, { ...unitFacts(agentFacts.get(cell.agent) ?? {}, cell), ...Object.fromEntries(varied) }]
    }),
  )
}

function matchCells(a: Report, b: Report): { partners: [ReportCell, ReportCell][]; unmatched: [string[], string[]] } {
  const [namesA, namesB] = [a, b].map(({ agents }) => new Map(agents.map(({ id, name }) => [id, name])))
  const waiting = new Map<string, ReportCell[]>()
  for (const cell of b.cells) waiting.set(keyOf(cell), [...(waiting.get(keyOf(cell)) ?? []), cell])
  const partner = new Map<ReportCell, ReportCell>()
  const rules: ((x: ReportCell, y: ReportCell) => boolean)[] = [
    (x, y) => x.agent === y.agent,
    (x, y) => namesA?.get(x.agent) === namesB?.get(y.agent),
    () => true,
  ]
  for (const fits of rules) {
    for (const cell of a.cells) {
      const left = waiting.get(keyOf(cell)) ?? []
      const at = partner.has(cell) ? -1 : left.findIndex((other) => fits(cell, other))
      if (at !== -1) partner.set(cell, left.splice(at, 1)[0] as ReportCell)
    }
  }
  return {
    partners: a.cells.flatMap((cell): [ReportCell, ReportCell][] => {
      const other = partner.get(cell)
      return other ? [[cell, other]] : []
    }),
    unmatched: [
      a.cells.filter((cell) => !partner.has(cell)).map(({ id }) => id),
      [...waiting.values()].flat().map(({ id }) => id),
    ],
  }
}

function keyOf({ workload, workloadVersion, params, seed, condition: { backend, device, knobs } }: ReportCell): string {
  return canonicalJson({ workload, workloadVersion, params, seed, backend, device, knobs })
}

function selfDifferences(report: Report): Map<string, SelfDifference | null> {
  const all = report.comparisons.flatMap(({ nondeterministic }) => nondeterministic)
  return new Map(all.map(({ cell, first }) => [cell, first]))
}

function comparePair(
  a: ReportCell,
  b: ReportCell,
  agents: readonly [string, string],
): Omit<CellPair, 'selfDifferences'> {
  const [left, right] = [a, b].map(({ traces }) => [...new Set(traces.filter((trace) => trace !== null))]) as [
    string[],
    string[],
  ]
  const { backend, device, label, knobs } = a.condition
  const { workload, workloadVersion, params, seed } = a
  return {
    ...{ workload, workloadVersion, params, seed, condition: { backend, device, label, knobs } },
    cells: [a.id, b.id],
    agents,
    result: areUnsupported(a, b) ? 'unsupported' : resultOf(left, right),
    traces: [left, right],
    outputs: differingOutputs(a.outputs, b.outputs),
  }
}

/** None where one side has no completed execution: a final tensor is then missing, not different. */
function differingOutputs(a: ReportCell['outputs'], b: ReportCell['outputs']): CellPair['outputs'] {
  if (a.length === 0 || b.length === 0) return []
  const [left, right] = [a, b].map((outputs) => new Map(outputs.map((output) => [output.name, output])))
  return [...new Set([...a, ...b].map(({ name }) => name))].flatMap((name) => {
    const [x, y] = [left?.get(name), right?.get(name)]
    if (x && y && arrayKey(x) === arrayKey(y)) return []
    return [
      {
        name,
        types: [x ? typeText(x) : null, y ? typeText(y) : null] as const,
        digests: [x?.digest ?? null, y?.digest ?? null] as const,
        bits: x?.bits && y?.bits ? ([x.bits, y.bits] as const) : null,
      },
    ]
  })
}

/** Neither side has a result. A cell is called unsupported as well if only some of its executions were. */
function areUnsupported(...cells: readonly ReportCell[]): boolean {
  return cells.every(({ status, traces }) => status === 'unsupported' && traces.every((trace) => trace === null))
}

function resultOf(a: readonly string[], b: readonly string[]): PairResult {
  if (a.length === 0 || b.length === 0) return 'incomplete'
  if (a.length > 1 || b.length > 1) return 'nondeterministic'
  return a[0] === b[0] ? 'equal' : 'different'
}

const shownPairs = 40
const shownFacts = 60

/** The diff as text: what differs, then the facts that do. */
export function renderReportDiff(diff: ReportDiff): string {
  const { counts, pairs, unmatched, facts, recordedOnlyIn, runs } = diff
  const lone = recordedOnlyIn[0].length + recordedOnlyIn[1].length
  const several = new Set(pairs.map(({ agents }) => agents.join('\n'))).size > 1
  const title = ({ workload, params, seed, condition, agents: [left, right] }: CellPair) => {
    const where = several ? `, ${left === right ? left : `${left} against ${right}`}` : ''
    return `${workload} ${paramsText(params)} seed=${seed}, ${conditionText({ ...condition, version: null, effective: {} })}${where}`
  }
  const notEqual = pairs.filter(({ result }) => result !== 'equal' && result !== 'unsupported')
  const lines = [
    `${runs[0].name} (${runs[0].id}) against ${runs[1].name} (${runs[1].id}): ${diff.result}`,
    `${plural(pairs.length, 'pair')} of cells: ${counts.equal} equal, ${counts.different} different, ` +
      `${counts.nondeterministic} nondeterministic, ${counts.unsupported} supported on neither side, ` +
      `${counts.incomplete} not completed on both`,
    ...unmatched.flatMap((ids, i) =>
      ids.length > 0 ? [`${plural(ids.length, 'cell')} only in ${i === 0 ? 'the first' : 'the second'}`] : [],
    ),
    ...notEqual
      .slice(0, shownPairs)
      .flatMap((pair) => [`  ${pair.result}: ${title(pair)}`, ...selfTexts(pair), ...pair.outputs.map(outputText)]),
    ...(notEqual.length > shownPairs ? [`  … and ${notEqual.length - shownPairs} more`] : []),
    factsHeading(pairs.length, facts.length, lone),
    ...shownList(facts, factText),
    ...recordedOnlyIn.flatMap((found, i) =>
      found.length > 0
        ? [
            `Recorded only in ${i === 0 ? 'the first' : 'the second'}; whether it changed is not known:`,
            ...shownList(found, loneText),
          ]
        : [],
    ),
  ]
  return `${lines.map((line) => `${' '.repeat(line.length - line.trimStart().length)}${visibleLine(line)}`).join('\n')}\n`
}

function factsHeading(pairs: number, differing: number, lone: number): string {
  if (pairs === 0) return 'No two cells could be paired, so no facts were compared.'
  if (differing > 0) return 'Facts that differ; that a fact differs does not show that it is the cause:'
  return lone > 0 ? 'No fact that is recorded in both differs.' : 'No recorded fact differs.'
}

function outputText({ name, types, digests, bits }: CellPair['outputs'][number]): string {
  if (types[0] !== types[1]) {
    const same = digests[0] === digests[1] ? ' (the same bytes)' : ''
    return `    ${name}: ${types[0] ?? 'missing'} against ${types[1] ?? 'missing'}${same}`
  }
  const at = bits ? bits[0].findIndex((pattern, i) => pattern !== bits[1][i]) : -1
  const [left, right] = bits && at !== -1 ? [bits[0][at], bits[1][at]] : digests
  return `    ${name}${at === -1 ? '' : `[${at}]`}: ${left} against ${right}`
}

function selfTexts({ selfDifferences }: CellPair): string[] {
  return selfDifferences.flatMap((found, i) =>
    found ? [`    the ${i === 0 ? 'first' : 'second'} differs from itself: ${selfDifferenceText(found)}`] : [],
  )
}

function shownList<T>(all: readonly T[], text: (one: T) => string): string[] {
  const lines = all.slice(0, shownFacts).map(text)
  return all.length > shownFacts ? [...lines, `  … and ${all.length - shownFacts} more`] : lines
}

function factText({ fact, values: [left, right], pairs }: DifferingFact): string {
  return `  ${fact}: ${left} against ${right} (${pairsText(pairs)})`
}

function loneText({ fact, value, pairs }: LoneFact): string {
  return `  ${fact}: ${value} (${pairsText(pairs)})`
}

function pairsText(pairs: DifferingFact['pairs']): string {
  const by = Object.entries(pairs).flatMap(([result, count]) => (count > 0 ? [`${count} ${result}`] : []))
  return `cells: ${by.join(', ')}`
}
