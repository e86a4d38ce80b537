import { canonicalJson } from '../../shared/canonical-json.ts'
import { decisionList, type Equality, type Rule } from '../explain/decision-list.ts'
import type { Unit } from '../explain/minimal-facts.ts'
import { agentFactsById, unitFacts } from '../explain/unit-facts.ts'
import type { Comparison, Explanation, Report, ReportCell } from '../report/format.ts'
import { membersByCondition } from '../report/matrix.ts'
import { visibleLine } from '../../shared/visible.ts'
import {
  agentNames,
  chanceText,
  comparisonTitle,
  explanationStrength,
  explanationText,
  listed,
  plural,
  seedsOf,
} from '../report/wording.ts'

/** What `explain --json` says of one comparison, as FORMATS fixes it. */
export interface ExplainedGroup {
  readonly by: Readonly<Record<string, string>>
  /** How many units were compared. */
  readonly units: number
  readonly nondeterministic: readonly string[]
  readonly classes: readonly (readonly string[])[]
  readonly explanations: readonly Omit<Explanation, 'values'>[]
  readonly unexplained?: string
  readonly tree: readonly Rule[]
}

/** `bitfleet explain`: why the classes of a report part, as text or as `{groups}`. */
export function explainReport(report: Report, { json }: { json: boolean }): string {
  if (json) return `${JSON.stringify({ groups: explainGroups(report) }, null, 2)}\n`
  const several = seedsOf(report).length > 1
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const names = agentNames(report)
  const trees = explainGroups(report).map(({ tree }) => tree)
  const sections = report.comparisons.flatMap((comparison, i) =>
    comparison.verdict === 'identical'
      ? []
      : [explainComparison(comparison, trees[i] as Rule[], cells, names, comparisonTitle(comparison, several))],
  )
  const parted = report.comparisons.some(({ classes }) => classes.length > 1)
  return `${[[visibleLine(report.sentence)], ...sections, ...(parted ? [[explanationStrength]] : [])]
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

/** One for each comparison, in the report's order. */
export function explainGroups(report: Report): ExplainedGroup[] {
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const agentFacts = agentFactsById(report.agents)
  return report.comparisons.map((comparison) => {
    const units = comparison.classes.flatMap(({ letter, cells: members }) =>
      members.flatMap((id): Unit[] => {
        const cell = cells.get(id)
        return cell ? [{ id, class: letter, facts: unitFacts(agentFacts.get(cell.agent) ?? {}, cell) }] : []
      }),
    )
    const { workload, workloadVersion, params, seed, nondeterministic, classes, explanations, unexplained } = comparison
    return {
      by: { workload, version: String(workloadVersion), params: canonicalJson(params), seed },
      units: units.length,
      nondeterministic: nondeterministic.map(({ cell }) => cell),
      classes: classes.map((found) => found.cells),
      explanations: explanations.map(withoutValues),
      ...(unexplained === undefined ? {} : { unexplained }),
      tree: decisionList(units),
    }
  })
}

function withoutValues({ facts, equal, inseparable, rivals, chance, draws }: Explanation): Omit<Explanation, 'values'> {
  return { facts, equal, inseparable, rivals, chance, draws }
}

function explainComparison(
  comparison: Comparison,
  tree: readonly Rule[],
  cells: ReadonlyMap<string, ReportCell>,
  names: ReadonlyMap<string, string>,
  title: string,
): string[] {
  const { classes, nondeterministic, incomplete, explanations, unexplained, inputsEqual } = comparison
  const conditions = (ids: readonly string[]) =>
    membersByCondition(ids, cells).map(({ condition, agents }) => {
      if (names.size < 2) return condition
      return agents.length > 3
        ? `${condition} on ${agents.length} agents`
        : `${condition} on ${listed(agents.map((id) => names.get(id) ?? id))}`
    })
  const lines = [`${title}: ${comparison.verdict}`]
  for (const { letter, cells: members } of classes) lines.push(`  ${letter}  ${conditions(members).join('; ')}`)
  for (const { cell, distinct, executions } of nondeterministic) {
    lines.push(
      `  ~  ${conditions([cell]).join()}: ${distinct} results in ${executions} executions; it explains nothing`,
    )
  }
  if (incomplete.length > 0) lines.push(`  ✕  ${conditions(incomplete).join('; ')}`)
  if (!inputsEqual) lines.push('  The inputs differ between the classes: this compares inputs, not arithmetic.')
  for (const explanation of explanations) lines.push(...explainSet(explanation))
  if (unexplained !== undefined) lines.push(`  Unexplained: ${unexplained}.`)
  if (classes.length > 1 && explanations.length > 0 && tree.length === 0)
    lines.push('  No short list of rules gives the classes.')
  if (tree.length > 0) {
    lines.push('  Shortest rules found:')
    tree.forEach((rule, i) => lines.push(`    ${ruleText(rule, i)}`))
  }
  return lines.map((line) => `${' '.repeat(line.length - line.trimStart().length)}${visibleLine(line)}`)
}

function explainSet(explanation: Explanation): string[] {
  const { facts, rivals, inseparable } = explanation
  const others =
    rivals > 0
      ? `; ${plural(rivals, 'other set')} of ${facts.length} ${rivals === 1 ? 'explains' : 'explain'} as well`
      : ''
  const lines = [`  - ${explanationText(explanation)}${others}.`, `    Chance: ${chanceText(explanation)}.`]
  for (const fact of facts) {
    const alike = inseparable[fact] ?? []
    const shown = alike.slice(0, 8)
    if (alike.length > 0) {
      const more = alike.length > shown.length ? [`${alike.length - shown.length} more`] : []
      lines.push(`    Here ${fact} cannot be told from ${listed([...shown, ...more])}.`)
    }
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
