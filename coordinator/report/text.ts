import { createColors } from 'picocolors'
import { visibleLine } from '../../shared/visible.ts'
import type { Comparison, Divergence, Report, ReportCell } from './format.ts'
import { differenceText, tellingKinds } from './kind-text.ts'
import { type Column, type Fold, buildMatrix, foldRows, membersInShort, memberText, usedSigns } from './matrix.ts'
import { churnText, distanceText, growthTexts, referenceText } from './measured.ts'
import {
  agentNames,
  checkpointText,
  comparisonTitle,
  conditionText,
  elementText,
  listed,
  plural,
  seedsOf,
} from './wording.ts'

export interface TextOptions {
  readonly color: boolean
  /** Columns of the terminal. */
  readonly width?: number
}

/** Branchings of one workload that are told; the other forms of the report have all. */
const maxBranchings = 12
/** Beyond these, a row is told by its classes and not by a letter for each column. */
const maxColumns = 96
const maxMembers = 4

type Colors = ReturnType<typeof createColors>
type Paint = (text: string) => string

/** The report for a terminal: do the machines agree, the sentence, the table, where and why, what must be known. */
export function renderText(report: Report, { color, width = 100 }: TextOptions): string {
  const colors = createColors(color)
  const { findings } = report
  const seeds = seedsOf(report)
  const title = (comparison: Comparison) => visibleLine(comparisonTitle(comparison, seeds.length > 1))
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const several = findings.machines.machines.length > 1
  const sections = [
    [
      ...(several ? [colors.bold(visibleLine(findings.machines.text))] : []),
      colors.bold(visibleLine(findings.sentence)),
    ],
    classTable(report, title, width, colors),
    ...report.comparisons.map((_, index) => whereAndWhy(report, index, title, cells, colors)),
    findings.agreement === null ? [] : [visibleLine(findings.agreement.text)],
    findings.notices.map(
      ({ heading, subject, text, cells: count }) =>
        `${colors.yellow('!')} ${heading}: ${visibleLine(subject)}: ${visibleLine(text)}${count > 1 ? ` (${plural(count, 'cell')})` : ''}`,
    ),
  ]
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

/** Columns are numbered and listed below the table, and the table is broken where the terminal ends. */
function classTable(
  report: Report,
  title: (comparison: Comparison) => string,
  width: number,
  colors: Colors,
): string[] {
  const { columns, rows } = buildMatrix(report)
  const folds = foldRows(rows)
  if (columns.length > maxColumns) return wideTable(report, folds, columns, title)
  const label = (fold: Fold) =>
    fold.rows.length > 1
      ? `${fold.rows.length} identical workloads`
      : title((fold.rows[0] as Fold['rows'][number]).comparison)
  const labelWidth = Math.min(Math.max(12, ...folds.map((fold) => label(fold).length + 1)), Math.floor(width * 0.5))
  const cellWidth = Math.max(2, String(columns.length).length) + 1
  const perBlock = Math.max(1, Math.floor((width - labelWidth) / cellWidth))
  const lines: string[] = []
  for (let start = 0; start < columns.length; start += perBlock) {
    const end = Math.min(columns.length, start + perBlock)
    const numbers = Array.from({ length: end - start }, (_, i) => String(start + i + 1).padStart(cellWidth)).join('')
    if (start > 0) lines.push('')
    lines.push(`${' '.repeat(labelWidth)}${colors.dim(numbers)}`)
    for (const fold of folds) {
      const marks = fold.marks.slice(start, end)
      if (marks.every((mark) => mark === undefined)) continue
      const letters = Array.from({ length: end - start }, (_, i) => {
        const mark = fold.marks[start + i]
        return `${' '.repeat(cellWidth - (mark?.text.length ?? 1))}${mark ? paintOf(mark.class, mark.text, colors)(mark.text) : colors.dim('·')}`
      })
      lines.push(...labelled(label(fold), labelWidth, width, letters.join('')))
    }
  }
  return [...lines, '', ...columnKey(report, columns), ...tableLegend(folds, title)]
}

/** A name that is too long for its column stands on lines of its own: it is never cut. */
function labelled(label: string, labelWidth: number, width: number, letters: string): string[] {
  if (label.length < labelWidth) return [`${label.padEnd(labelWidth)}${letters}`]
  const lines: string[] = []
  for (let at = 0; at < label.length; at += width) lines.push(label.slice(at, at + width))
  return [...lines, `${' '.repeat(labelWidth)}${letters}`]
}

function tableLegend(folds: readonly Fold[], title: (comparison: Comparison) => string): string[] {
  const folded = folds
    .filter((fold) => fold.rows.length > 1)
    .flatMap((fold) => fold.rows.map(({ comparison }) => title(comparison)))
  return [
    '  equal letters in a row: equal bits; · not in the plan',
    ...usedSigns(folds).map(([sign, meaning]) => `  ${sign}  ${meaning}`),
    ...(folded.length > 0 ? [`  identical: ${folded.join('; ')}`] : []),
  ]
}

/** Too many columns for a letter each: how many cells each class has. */
function wideTable(
  report: Report,
  folds: readonly Fold[],
  columns: readonly Column[],
  title: (comparison: Comparison) => string,
): string[] {
  const agents = new Set(columns.map(({ agent }) => agent)).size
  const rows = folds.flatMap(({ rows: members, marks }) => {
    const counts = new Map<string, number>()
    for (const mark of marks) if (mark) counts.set(mark.text, (counts.get(mark.text) ?? 0) + 1)
    const said = [...counts].slice(0, 12).map(([text, count]) => `${text} ${count}`)
    const more = counts.size > 12 ? ` · ${counts.size - 12} more` : ''
    return members.map(({ comparison }) => `  ${title(comparison)}: ${said.join(' · ')}${more}`)
  })
  return [
    `${plural(columns.length, 'column')} on ${plural(agents, 'agent')}; cells by class, in full in report.csv:`,
    ...rows,
    ...tableLegend(folds, title).filter((line) => !line.startsWith('  identical:')),
    ...(report.findings.machines.status === 'differ' ? [`  ${visibleLine(oddText(report))}`] : []),
  ]
}

const maxOdd = 12

function oddText({ findings: { machines } }: Report): string {
  const odd = machines.machines.filter((machine) => machine.odd > 0)
  if (odd.length === 0) return 'no machine is the odd one of a row'
  const named = odd.slice(0, maxOdd).map((machine) => `${machine.name} in ${plural(machine.odd, 'row')}`)
  return `odd: ${named.join(', ')}${odd.length > maxOdd ? ` and ${odd.length - maxOdd} more` : ''}`
}

function columnKey(report: Report, columns: readonly Column[]): string[] {
  const names = agentNames(report)
  const several = report.agents.length > 1
  return columns.map(({ agent, condition }, i) => {
    const where = several ? ` on ${visibleLine(names.get(agent) ?? agent)}` : ''
    return `  ${String(i + 1).padStart(3)}  ${visibleLine(conditionText(condition))}${where}`
  })
}

function whereAndWhy(
  report: Report,
  index: number,
  title: (comparison: Comparison) => string,
  cells: ReadonlyMap<string, ReportCell>,
  colors: Colors,
): string[] {
  const { comparisons, findings } = report
  const comparison = comparisons[index] as Comparison
  const row = findings.rows[index]
  const tested = findings.settings.filter(({ rows }) => rows.includes(index)).map(({ text }) => text)
  if (comparison.verdict === 'identical') {
    if (tested.length === 0) return []
    return [`${colors.bold(title(comparison))}: identical`, ...tested.map((text) => `  tested: ${visibleLine(text)}`)]
  }
  const lines = [...memberLines(comparison, cells, agentNames(report)), ...referenceLines(comparison, cells)]
  const branchings = comparison.divergences.map((divergence) => `  ${visibleLine(branchingText(divergence))}`)
  lines.push(...branchings.slice(0, maxBranchings))
  if (branchings.length > maxBranchings) {
    lines.push(`  and ${plural(branchings.length - maxBranchings, 'more branching')}`)
  }
  for (const { text, twin } of findings.self.filter((self) => self.comparison === index)) {
    lines.push(`  ~ ${visibleLine(text)}`)
    if (twin) lines.push(`    ${visibleLine(twin.text)}`)
  }
  for (const text of tested) lines.push(`  tested: ${visibleLine(text)}`)
  for (const { text } of findings.causes.filter(({ rows }) => rows.includes(index))) {
    lines.push(`  observed: ${visibleLine(text)}`)
  }
  const expected = row?.expected ? `, ${row.expected.met ? '' : 'not '}as expected` : ''
  return [`${colors.bold(title(comparison))}: ${comparison.verdict}${expected}`, ...lines]
}

/** Which conditions each class has. */
function memberLines(
  comparison: Comparison,
  cells: ReadonlyMap<string, ReportCell>,
  names: ReadonlyMap<string, string>,
): string[] {
  if (comparison.classes.length < 2) return []
  const membersOf = membersInShort(comparison, cells)
  return comparison.classes.slice(0, maxBranchings).map(({ letter, cells: ids }) => {
    const members = membersOf(ids)
    const named = members.slice(0, maxMembers).map((member) => memberText(member, names))
    const more = members.length > maxMembers ? `; and ${members.length - maxMembers} more` : ''
    return `  ${letter}  ${visibleLine(`${named.join('; ')}${more}`)}`
  })
}

function branchingText(divergence: Divergence): string {
  const bits = divergence.bits ? `${divergence.bits[0]} against ${divergence.bits[1]}, ` : ''
  const place =
    divergence.element === null
      ? (divergence.missing ?? 'the bytes were not kept')
      : elementText(divergence.indices, divergence.element)
  const kinds = divergence.statistics === null ? '' : tellingKinds(divergence.statistics)
  const grown = [kinds, ...growthTexts(divergence, 2, 3), churnText(divergence)].filter((text) => text !== '')
  const more = grown.length > 0 ? `; ${grown.join('; ')}` : ''
  return `${divergence.classes.join(' and ')} differ at ${checkpointText(divergence)}, ${place}: ${bits}${differenceText(divergence)}${more}`
}

/** The correctly rounded result, and the classes by how far they are from it. */
function referenceLines({ reference }: Comparison, cells: ReadonlyMap<string, ReportCell>): string[] {
  if (reference === undefined) return []
  const distances = new Map<string, string[]>()
  for (const { class: letter, statistics, missing } of reference.distances) {
    const text = distanceText(statistics, missing)
    distances.set(text, [...(distances.get(text) ?? []), letter])
  }
  const far = [...distances].map(([text, letters]) => `${listed(letters)} ${text}`).join('; ')
  return [`  ${visibleLine(referenceText(reference, cells))}${far === '' ? '' : ` From it: ${far}.`}`]
}

function paintOf(
  index: number | undefined,
  sign: string,
  { green, cyan, magenta, blue, yellow, red, dim }: Colors,
): Paint {
  if (index === undefined) return sign === '–' ? dim : sign.startsWith('~') ? yellow : red
  const paints = [green, cyan, magenta, blue, yellow]
  return paints[index % paints.length] as Paint
}
