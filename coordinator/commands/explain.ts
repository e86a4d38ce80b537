import { canonicalJson } from '../../shared/canonical-json.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { readNamedText } from '../../shared/named-file.ts'
import { letterOf } from '../compare/classes.ts'
import { type Chance, noChance } from '../explain/chance.ts'
import { decisionList, type Equality, type Rule } from '../explain/decision-list.ts'
import {
  explainMachines,
  type MachineExplanation,
  type MachineRow,
  type ObservedSet,
} from '../explain/explain-machines.ts'
import type { FactSet, Unit } from '../explain/minimal-facts.ts'
import { reasonText } from '../explain/reasons.ts'
import { countNotMeasured, explainTable, parseTable, type TableColumns } from '../explain/table.ts'
import { agentFactsById, plannedFacts, unitFacts } from '../explain/unit-facts.ts'
import { chanceText, explanationText, otherThings } from '../explain/words.ts'
import type { Comparison, Explanation, Report, ReportCell } from '../report/format.ts'
import { membersByCondition } from '../report/matrix.ts'
import { visibleLine } from '../../shared/visible.ts'
import { agentNames, comparisonTitle, listed, plural, seedsOf } from '../report/wording.ts'

/** A set of facts as `explain --json` shows it. Cells have no more than a `FactSet`. */
export type ExplainedSet = FactSet & Chance & Partial<Omit<ObservedSet, keyof FactSet | keyof Chance>>

/** What `explain --json` and `import FILE --outcome … --json` say of one comparison, as FORMATS fixes it. */
export interface ExplainedGroup {
  readonly by: Readonly<Record<string, string>>
  /** How many units were compared. */
  readonly units: number
  readonly nondeterministic: readonly string[]
  readonly classes: readonly (readonly string[])[]
  readonly explanations: readonly ExplainedSet[]
  readonly unexplained?: string
  /** What was not searched or not listed. */
  readonly bounded?: string
  /** What a perfect match of these units could reach; left out if units are cells. */
  readonly smallestChance?: number
  readonly tree: readonly Rule[]
  readonly treeChance: Chance
}

const strength =
  'Observed: these facts go along with the classes. A fact that differs between machines is not shown to be the cause.'

/** `bitfleet explain`: why the classes of a report part, as text or as `{groups}`. */
export function explainReport(report: Report, { json }: { json: boolean }): string {
  if (json) return `${JSON.stringify({ groups: explainGroups(report) }, null, 2)}\n`
  const several = seedsOf(report).length > 1
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const names = agentNames(report)
  const groups = explainGroups(report)
  const sections = report.comparisons.flatMap((comparison, i) =>
    comparison.verdict === 'identical'
      ? []
      : [
          explainComparison(
            { ...comparison, as: expectedText(report.findings.rows[i]) },
            groups[i] as ExplainedGroup,
            saidOf(report.findings, i),
            cells,
            names,
            comparisonTitle(comparison, several),
          ),
        ],
  )
  const parted = report.comparisons.some(({ classes }) => classes.length > 1)
  return `${[[visibleLine(report.sentence)], ...sections, ...(parted ? [[strength]] : [])]
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

/**
 * One for each comparison, in the report's order. If each of its cells is of another agent, its units are machines, and
 * its explanations have a chance. Otherwise its units are cells, which are not independent, and there is no figure.
 */
export function explainGroups(report: Report): ExplainedGroup[] {
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const agentFacts = agentFactsById(report.agents)
  const prepared = report.comparisons.map((comparison) => {
    const members = comparison.classes.flatMap(({ letter, cells: ids }) =>
      ids.flatMap((id) => {
        const cell = cells.get(id)
        return cell ? [{ letter, cell }] : []
      }),
    )
    const units = members.map(
      ({ letter, cell }): Unit => ({
        id: cell.id,
        class: letter,
        facts: unitFacts(agentFacts.get(cell.agent) ?? {}, cell),
      }),
    )
    const planned = plannedFacts(members.map(({ cell }) => cell.condition))
    return {
      comparison,
      units,
      planned,
      machines: new Set(members.map(({ cell }) => cell.agent)).size === units.length,
    }
  })
  const rows = prepared.flatMap(({ units, machines }, i): MachineRow[] =>
    machines
      ? [
          {
            row: String(i),
            machines: units.map(({ id, class: letter, facts }) => ({
              ...{ id, letter, facts, outcome: letter },
              // Cells of one machine have an id in each row: rows that part the machines alike are one hypothesis.
              machine: cells.get(id)?.agent,
            })),
          },
        ]
      : [],
  )
  const explained = new Map(explainMachines(rows).map((explanation) => [explanation.row, explanation]))
  return prepared.map(({ comparison, units, planned }, i) => {
    const { workload, workloadVersion, params, seed, nondeterministic, classes, explanations, unexplained } = comparison
    const by = { workload, version: String(workloadVersion), params: canonicalJson(params), seed }
    const machines = explained.get(String(i))
    const unstable = nondeterministic.map(({ cell }) => cell)
    // The classes in the report's order.
    if (machines) return { ...groupOf(by, machines, unstable), classes: classes.map((found) => found.cells) }
    return {
      by,
      units: units.length,
      nondeterministic: unstable,
      classes: classes.map((found) => found.cells),
      explanations: explanations.map(withoutValues),
      ...(unexplained === undefined ? {} : { unexplained }),
      tree: decisionList(units, planned),
      treeChance: noChance('cells'),
    }
  })
}

/** Somebody else's table, explained in the same shape. */
export function explainTableGroups(text: string, columns: TableColumns): ExplainedGroup[] {
  return explainTable(parseTable(text), columns).map(({ by, explained, nondeterministic }) =>
    groupOf(by, explained, nondeterministic),
  )
}

/** Options of `import FILE --outcome`; lists of columns have commas. */
export interface TableOptions {
  readonly outcome: string
  readonly unit?: string
  readonly point?: string
  readonly repetition?: string
  readonly by?: string
  readonly json?: boolean
}

/** A text of this length can be held, with its fields. */
const maxTableBytes = 256 * 2 ** 20

/** `bitfleet import FILE --outcome A,B --unit U`: why the units of somebody else's table differ. */
export async function explainTableFile(files: readonly string[], options: TableOptions): Promise<number> {
  const { outcome, unit, by } = options
  const [file, ...more] = files
  if (file === undefined || more.length > 0) throw new BitfleetError('usage', '--outcome takes one CSV file')
  if (unit === undefined) {
    throw new BitfleetError('usage', '--outcome needs --unit: name the column that says which machine computed a row')
  }
  const columns = { ...options, outcome: outcome.split(','), unit, by: by?.split(',') }
  const text = await readNamedText(file, { maxBytes: maxTableBytes })
  const groups = explainTableGroups(text, columns)
  const notMeasured = countNotMeasured(parseTable(text), columns)
  process.stdout.write(options.json ? `${JSON.stringify({ groups, notMeasured }, null, 2)}\n` : tableText(groups))
  if (notMeasured > 0 && !options.json) {
    process.stdout.write(
      `\n${plural(notMeasured, 'record')} left out: the outcome is empty, so nothing was measured.\n`,
    )
  }
  return 0
}

const shownSets = 5

function tableText(groups: readonly ExplainedGroup[]): string {
  const sections = groups.map(
    ({ by, units, nondeterministic, classes, explanations, unexplained, tree, treeChance }) => {
      const values = Object.entries(by).map(([name, value]) => `${name}=${value}`)
      const title = values.length > 0 ? `${values.join(' ')}: ` : ''
      const lines = [`${title}${plural(units, 'unit')}, ${plural(classes.length, 'class', 'classes')}`]
      for (const [i, members] of classes.entries())
        lines.push(
          `  ${letterOf(i)}  ${plural(members.length, 'unit')}: ${listed(members.slice(0, 4))}${members.length > 4 ? ', …' : ''}`,
        )
      if (nondeterministic.length > 0) lines.push(`  ~  disagree with themselves: ${listed(nondeterministic)}`)
      for (const set of explanations.slice(0, shownSets)) lines.push(...explainSet(set))
      if (explanations.length > shownSets) lines.push(`  … and ${explanations.length - shownSets} more`)
      if (unexplained !== undefined) lines.push(`  Unexplained: ${unexplained}.`)
      lines.push(...treeLines(tree, treeChance))
      return lines
    },
  )
  return `${sections.map((lines) => lines.map(visibleIndented).join('\n')).join('\n\n')}\n`
}

function treeLines(tree: readonly Rule[], chance: Chance): string[] {
  if (tree.length === 0) return []
  return [`  Shortest rules found (${chanceText(chance)}):`, ...tree.map((rule, i) => `    ${ruleText(rule, i)}`)]
}

function visibleIndented(line: string): string {
  return `${' '.repeat(line.length - line.trimStart().length)}${visibleLine(line)}`
}

function groupOf(
  by: Readonly<Record<string, string>>,
  { machines, classes, explanations, unexplained, bounded, smallestChance, decisionList: list }: MachineExplanation,
  nondeterministic: readonly string[],
): ExplainedGroup {
  const { rules, ...treeChance } = list
  return {
    by,
    units: machines,
    nondeterministic,
    classes,
    explanations,
    ...(unexplained === undefined ? {} : { unexplained }),
    ...(bounded === undefined ? {} : { bounded }),
    smallestChance,
    tree: rules,
    treeChance,
  }
}

function withoutValues(explanation: Explanation): ExplainedSet {
  const { values: _, ...set } = explanation
  return set
}

/** What the report claims of a row: tests before observations. Sets of facts over its cells are listed in full below. */
function saidOf({ settings, causes, self }: Report['findings'], index: number): string[] {
  return [
    ...self.flatMap((one) => (one.comparison === index ? [one.text, ...(one.twin ? [one.twin.text] : [])] : [])),
    ...settings.flatMap(({ rows, text }) => (rows.includes(index) ? [`tested: ${text}`] : [])),
    ...causes.flatMap(({ of, rows, text }) => (of === 'machines' && rows.includes(index) ? [`observed: ${text}`] : [])),
  ]
}

/** As the report says it behind the verdict. */
function expectedText(row: Report['findings']['rows'][number] | undefined): string {
  return row?.expected ? `, ${row.expected.met ? '' : 'not '}as expected` : ''
}

function explainComparison(
  comparison: Comparison & { readonly as: string },
  { explanations, unexplained, tree, treeChance }: ExplainedGroup,
  said: readonly string[],
  cells: ReadonlyMap<string, ReportCell>,
  names: ReadonlyMap<string, string>,
  title: string,
): string[] {
  const { classes, incomplete, inputsEqual } = comparison
  const conditions = (ids: readonly string[]) =>
    membersByCondition(ids, cells).map(({ condition, agents }) => {
      if (names.size < 2) return condition
      return agents.length > 3
        ? `${condition} on ${agents.length} agents`
        : `${condition} on ${listed(agents.map((id) => names.get(id) ?? id))}`
    })
  const lines = [`${title}: ${comparison.verdict}${comparison.as}`]
  for (const { letter, cells: members } of classes) lines.push(`  ${letter}  ${conditions(members).join('; ')}`)
  if (incomplete.length > 0) lines.push(`  ✕  ${conditions(incomplete).join('; ')}`)
  if (inputsEqual === false) {
    lines.push('  The inputs differ between the classes: this compares inputs, not arithmetic.')
  }
  for (const text of said) lines.push(`  ${text}`)
  for (const explanation of explanations) lines.push(...explainSet(explanation))
  if (unexplained !== undefined) lines.push(`  Unexplained: ${unexplained}.`)
  if (classes.length > 1 && explanations.length > 0 && tree.length === 0)
    lines.push('  No short list of rules gives the classes.')
  lines.push(...treeLines(tree, treeChance))
  return lines.map(visibleIndented)
}

function explainSet(set: ExplainedSet): string[] {
  const { facts, rivals, inseparable, headlined, reasons = [], alike } = set
  const others =
    rivals > 0
      ? `; ${plural(rivals, 'other set')} of ${facts.length} ${rivals === 1 ? 'explains' : 'explain'} as well`
      : ''
  const lines = [
    `  - ${explanationText(set)}${others}.`,
    set.chance === null ? `    There is ${chanceText(set)}.` : `    Chance: ${chanceText(set)}.`,
  ]
  for (const fact of facts) {
    const same = otherThings(fact, inseparable[fact] ?? [])
    const shown = same.slice(0, 8)
    if (same.length > 0) {
      const more = same.length > shown.length ? [`${same.length - shown.length} more`] : []
      lines.push(`    Here ${fact} cannot be told from ${listed([...shown, ...more])}.`)
    }
  }
  if (headlined === false) {
    const besides =
      alike === undefined || alike === 0 ? '' : `, as ${plural(alike, 'other fact')} ${alike === 1 ? 'does' : 'do'}`
    lines.push(`    It only goes along with the classes${besides}: ${reasons.map(reasonText).join('; ')}.`)
  }
  return lines
}

function ruleText({ if: equalities, class: letter }: Rule, place: number): string {
  if (equalities.length === 0) return `else ${letter}`
  const said = equalities.map(({ fact, value }: Equality) =>
    value === null ? `${fact} is missing` : `${fact} = ${value}`,
  )
  return `${place === 0 ? 'if' : 'else if'} ${said.join(' and ')} then ${letter}`
}
