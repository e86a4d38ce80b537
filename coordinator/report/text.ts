import { createColors } from 'picocolors'
import type { Comparison, Report, ReportCell } from './format.ts'
import { type Column, type Fold, buildMatrix, foldRows, isIdentical, runsOf, usedSigns } from './matrix.ts'
import { differenceText } from './kind-text.ts'
import { churnText, distanceText, growthTexts, referenceText } from './measured.ts'
import { collectNotices, noticeHeadings } from './notices.ts'
import { plannedChanges } from './planned-changes.ts'
import { visibleLine } from '../../shared/visible.ts'
import {
  agentNames,
  agreementRange,
  agreementText,
  chanceShort,
  checkpointText,
  comparisonTitle,
  conditionText,
  elementText,
  listed,
  percent,
  plannedChangeText,
  plural,
  seedsOf,
} from './wording.ts'

export interface TextOptions {
  readonly color: boolean
  /** Columns of the terminal. */
  readonly width?: number
}

/** Branchings of one workload that are told; the other forms of the report have all. */
const maxParted = 12

type Colors = ReturnType<typeof createColors>
type Paint = (text: string) => string

/** The report for a terminal: the sentence, the class table, where workloads part and why, what must not be silent. */
export function renderText(report: Report, { color, width = 100 }: TextOptions): string {
  const colors = createColors(color)
  const seeds = seedsOf(report)
  const title = (comparison: Comparison) => visibleLine(comparisonTitle(comparison, seeds.length > 1))
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const sections = [
    [colors.bold(visibleLine(report.sentence))],
    classTable(report, title, width, colors),
    report.comparisons.flatMap((comparison) => whereAndWhy(comparison, title(comparison), cells, colors)),
    agreement(report),
    collectNotices(report).map(
      ({ kind, subject, message, cells }) =>
        `${colors.yellow('!')} ${noticeHeadings[kind]}: ${visibleLine(subject)}: ${visibleLine(message)}${cells > 1 ? ` (${plural(cells, 'cell')})` : ''}`,
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
  const label = (fold: Fold) =>
    fold.rows.length > 1
      ? `${fold.rows.length} identical workloads`
      : title((fold.rows[0] as Fold['rows'][number]).comparison)
  const labelWidth = Math.min(
    Math.max(12, ...folds.map((fold) => label(fold).length)),
    Math.max(16, Math.floor(width * 0.5)),
  )
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
      const cells = Array.from({ length: end - start }, (_, i) => {
        const mark = fold.marks[start + i]
        return `${' '.repeat(cellWidth - (mark?.text.length ?? 1))}${mark ? paintOf(mark.class, mark.text, colors)(mark.text) : colors.dim('·')}`
      })
      lines.push(`${fit(label(fold), labelWidth)}${cells.join('')}`)
    }
  }
  const folded = folds
    .filter((fold) => fold.rows.length > 1)
    .flatMap((fold) => fold.rows.map(({ comparison }) => title(comparison)))
  const legend = usedSigns(folds)
  return [
    ...lines,
    '',
    ...columnKey(report, columns),
    ...legend.map(([sign, meaning]) => `  ${sign}  ${meaning}`),
    ...(folded.length > 0 ? [`  identical: ${folded.join('; ')}`] : []),
    ...(folds.some((fold) => isIdentical(fold)) ? [] : ['  no workload is identical everywhere']),
  ]
}

function columnKey(report: Report, columns: readonly Column[]): string[] {
  const names = agentNames(report)
  const several = report.agents.length > 1
  return runsOf(columns, (a, b) => a.agent === b.agent).flatMap(([{ agent }, start, length]) => [
    ...(several ? [`  on ${visibleLine(names.get(agent) ?? agent)}`] : []),
    ...columns
      .slice(start, start + length)
      .map(({ condition }, i) => `  ${String(start + i + 1).padStart(3)}  ${visibleLine(conditionText(condition))}`),
  ])
}

function whereAndWhy(
  comparison: Comparison,
  title: string,
  cells: ReadonlyMap<string, ReportCell>,
  colors: Colors,
): string[] {
  if (comparison.verdict === 'identical') return []
  const lines = referenceLines(comparison, cells)
  const parted = comparison.divergences.map((divergence) => {
    const bits = divergence.bits ? `${divergence.bits[0]} against ${divergence.bits[1]}, ` : ''
    const place =
      divergence.element === null
        ? (divergence.missing ?? 'the bytes were not kept')
        : elementText(divergence.indices, divergence.element)
    const grown = [...growthTexts(divergence, 1, 3), churnText(divergence)].filter((text) => text !== '')
    const more = grown.length > 0 ? `; ${visibleLine(grown.join('; '))}` : ''
    return `  ${divergence.classes.join('|')} part at ${visibleLine(checkpointText(divergence))}, ${visibleLine(place)}: ${bits}${differenceText(divergence)}${more}`
  })
  lines.push(...parted.slice(0, maxParted))
  if (parted.length > maxParted) lines.push(`  and ${plural(parted.length - maxParted, 'more branching')}`)
  for (const { executions, distinct, cell } of comparison.nondeterministic) {
    const found = cells.get(cell)
    const name = visibleLine(found ? conditionText(found.condition) : cell)
    lines.push(`  ~ ${name}: ${distinct} distinct results in ${executions} executions`)
  }
  const tested = plannedChanges(comparison, cells).filter(({ followed }) => followed > 0)
  for (const change of tested) lines.push(`  tested: ${visibleLine(plannedChangeText(change))}`)
  const [best] = comparison.explanations
  if (best) {
    const facts = visibleLine(listed(best.facts))
    const verb = best.facts.length === 1 ? 'parts' : 'together part'
    const rivals = best.rivals > 0 ? `, as ${plural(best.rivals, 'rival')} ${best.rivals === 1 ? 'does' : 'do'}` : ''
    // What chance does as well adds nothing to a test.
    if (tested.length === 0 || best.chance <= 0.5) {
      lines.push(
        `  observed: ${facts} ${verb} the cells ${best.equal ? 'exactly as' : 'more finely than'} their bits do${rivals} (${chanceShort(best)})`,
      )
    }
  } else if (comparison.verdict === 'divergent') {
    lines.push(`  observed: unexplained${comparison.unexplained ? `: ${visibleLine(comparison.unexplained)}` : ''}`)
  }
  return [`${colors.bold(title)}: ${comparison.verdict}`, ...lines]
}

/** The correctly rounded result, and the classes by how far they are from it. */
function referenceLines({ reference }: Comparison, cells: ReadonlyMap<string, ReportCell>): string[] {
  if (reference === undefined) return []
  const distances = new Map<string, string[]>()
  for (const { class: letter, statistics } of reference.distances) {
    const text = distanceText(statistics)
    distances.set(text, [...(distances.get(text) ?? []), letter])
  }
  const far = [...distances].map(([text, letters]) => `${letters.join(' ')} ${text}`).join('; ')
  return [`  ${visibleLine(referenceText(reference, cells))}${far === '' ? '' : ` From it: ${far}.`}`]
}

function agreement(report: Report): string[] {
  const range = agreementRange(report)
  if (!range) return []
  const [least, most] = range
  return least.executions === most.executions
    ? [agreementText(least)]
    : [
        agreementText(least),
        `Where a cell ran ${most.executions} times, rarer than ${percent(most.otherOutcomesBelow)}.`,
      ]
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

function fit(text: string, width: number): string {
  return text.length < width ? text.padEnd(width) : `${text.slice(0, width - 2)}… `
}
