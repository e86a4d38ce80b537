import { visible, visibleLine } from '../../shared/visible.ts'
import type { Comparison, Divergence, Report, ReportCell } from './format.ts'
import { backendTexts, differingFacts, machineTexts } from './inventory.ts'
import { differenceText, hasDistances, kindText, normFigure, tellingKinds, ulpFigure } from './kind-text.ts'
import { buildMatrix, foldRows, hasRounded, type Members, membersInShort, memberText, usedSigns } from './matrix.ts'
import { churnText, extentText, growthTexts, inputsText, referenceColumn, referenceText } from './measured.ts'
import {
  agentNames,
  checkpointText,
  comparisonTitle,
  conditionText,
  elementText,
  grouped,
  percent,
  plural,
  seedsOf,
} from './wording.ts'

/** Conditions of one class that are named. */
const maxMembers = 24

/** Facts that differ, and agents that have a column of their own there. */
const maxFacts = 60
const maxFactColumns = 6

/** Columns of the table of machines; beyond, only odd machines are named. */
const maxMachines = 64

/** The report for a repository, an issue or a notebook: CommonMark with tables. */
export function renderMarkdown(report: Report): string {
  const seeds = seedsOf(report)
  const { findings } = report
  const title = (comparison: Comparison) => comparisonTitle(comparison, seeds.length > 1)
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const details = report.comparisons.flatMap((comparison, index) =>
    comparison.verdict === 'identical' ? [] : [detail(report, index, title(comparison), cells)],
  )
  return `${[
    `# ${escaped(findings.sentence)}`,
    machines(report),
    facts(report, seeds),
    findings.agreement === null ? '' : escaped(findings.agreement.text),
    notices(report),
    matrix(report, title),
    details.length > 0 ? '## Where they differ, and why' : '',
    ...details,
    stayed(report, title),
    factsThatDiffer(report),
    `## Configuration\n\n${fenced(report.run.plan, 'yaml')}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n')}\n`
}

/** Do the machines agree: the line, and which of them has which class. */
function machines({ findings, comparisons }: Report): string {
  const { text, machines: all, rows, candidates } = findings.machines
  if (all.length < 2) return ''
  const differing = rows.filter(({ letters }) => new Set(letters.filter((letter) => letter !== null)).size > 1)
  const parts = [`**Machines.** ${escaped(text)}`]
  if (differing.length > 0 && all.length <= maxMachines) {
    parts.push(
      table(
        ['workload', ...all.map(({ name }) => escaped(name))],
        differing.map(({ comparison, under, letters, odd }) => [
          escaped([comparisonTitle(comparisons[comparison] as Comparison, true), under].filter(Boolean).join(', ')),
          ...letters.map((letter, i) => (letter === null ? '' : odd.includes(i) ? `**${letter}**` : letter)),
        ]),
      ),
      'Equal letters in a row: equal bits over all conditions that the machines share. Bold: the odd one.',
    )
  }
  if (candidates.length > 1) {
    parts.push(
      `Differ between the machines as the bits do:\n\n${candidates.map((one) => `- ${escaped(one.text)}`).join('\n')}`,
    )
  }
  return parts.join('\n\n')
}

function facts({ run, verdict, agents, cells: all, findings: { counts } }: Report, seeds: readonly string[]): string {
  const { cells, executions } = counts
  return table(
    ['', ''],
    [
      ['verdict', `**${verdict}**`],
      ['run', `${escaped(run.name)}, ${code(run.id)}`],
      ['software', `${escaped(run.software)}, report@2`],
      ['agents', agents.map(({ name }) => escaped(name)).join(', ')],
      ['machines', machineTexts(agents).map(escaped).join('<br>')],
      ['backends', escaped(backendTexts(all).join(', '))],
      ['cells', `${grouped(cells.compared)} compared of ${grouped(cells.total)}`],
      ['executions', `${grouped(executions.completed)} completed of ${grouped(executions.planned)}`],
      [seeds.length === 1 ? 'seed' : 'seeds', escaped(seeds.join(', '))],
      ['began, ended', `${escaped(run.createdAt)}, ${escaped(run.endedAt ?? 'not ended')}`],
    ],
  )
}

function notices({ findings }: Report): string {
  if (findings.notices.length === 0) return ''
  const lines = findings.notices.map(
    ({ heading, subject, text, cells }) =>
      `- ${heading}, **${escaped(subject)}**: ${escaped(text)}${cells > 1 ? ` (${plural(cells, 'cell')})` : ''}`,
  )
  return `## Must be known\n\n${lines.join('\n')}`
}

/** Columns are numbered and listed below: forty conditions' names do not fit on a line. */
function matrix(report: Report, title: (comparison: Comparison) => string): string {
  const { columns, rows } = buildMatrix(report)
  const names = agentNames(report)
  const several = report.agents.length > 1
  const folds = foldRows(rows)
  const body = folds.map(({ rows: members, marks }) => [
    members.map(({ comparison }) => escaped(title(comparison))).join('; '),
    ...columns.map((_, i) => (marks[i]?.rounded ? `**${marks[i].text}**` : (marks[i]?.text ?? ''))),
  ])
  const key = columns.map(
    ({ agent, condition }, i) =>
      `${i + 1}. ${escaped(conditionText(condition))}${several ? ` on ${escaped(names.get(agent) ?? agent)}` : ''}`,
  )
  const legend = [
    ...(hasRounded(folds) ? ['bold: the correctly rounded result'] : []),
    ...usedSigns(folds).map(([sign, meaning]) => `${sign} ${meaning}`),
  ]
  return [
    '## Classes',
    'Equal letters in a row: equal bits. Letters follow the order of the plan and say nothing about accuracy.',
    table(['workload', ...columns.map((_, i) => String(i + 1))], body),
    key.join('\n'),
    legend.length > 0 ? `${legend.join('; ')}.` : '',
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function detail(report: Report, index: number, title: string, cells: ReadonlyMap<string, ReportCell>): string {
  const { findings } = report
  const comparison = report.comparisons[index] as Comparison
  const names = agentNames(report)
  const { reference, inputs } = comparison
  const membersOf = membersInShort(comparison, cells)
  const classes = comparison.classes.map(({ letter, trace, cells: ids }) => [
    letter,
    escaped(membersText(membersOf(ids), names)),
    ...(reference === undefined ? [] : [escaped(referenceColumn(reference, letter))]),
    `\`${trace.slice(0, 16)}…\``,
  ])
  const head = [
    'class',
    'conditions',
    ...(reference === undefined ? [] : ['distance from the correctly rounded result']),
    'trace',
  ]
  const expected = findings.rows[index]?.expected
  const unstable = findings.self.filter((self) => self.comparison === index)
  const tested = findings.settings.filter(({ rows }) => rows.includes(index))
  const observed = findings.causes.filter(({ rows }) => rows.includes(index))
  return [
    `### ${escaped(title)}: ${comparison.verdict}${expected ? `, ${expected.met ? '' : 'not '}as expected` : ''}`,
    classes.length > 0 ? table(head, classes) : '',
    [reference ? referenceText(reference, cells) : '', inputs ? inputsText(inputs) : '']
      .filter((text) => text !== '')
      .map(escaped)
      .join(' '),
    ...comparison.divergences.map(divergenceText),
    ...unstable.map(({ text, twin }) => escaped(`${text}.${twin ? ` ${twin.text}.` : ''}`)),
    list(
      'Tested by the plan:',
      tested.map(({ text }) => text),
    ),
    list(
      'Observed:',
      observed.map(({ text }) => text),
    ),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

/** What the plan tested in rows that are identical. */
function stayed({ comparisons, findings }: Report, title: (comparison: Comparison) => string): string {
  const texts = findings.settings.flatMap(({ rows, text }) => {
    const identical = rows.flatMap((index) => {
      const comparison = comparisons[index] as Comparison
      return comparison.verdict === 'identical' ? [title(comparison)] : []
    })
    return identical.length === 0 ? [] : [`${identical.join('; ')}: ${text}`]
  })
  return list('Tested by the plan in identical workloads:', texts)
}

/** A column for each agent, as long as they fit. */
function factsThatDiffer(report: Report): string {
  const { agents } = report
  const spread = differingFacts(agents)
  if (agents.length < 2 || spread.size === 0) return ''
  const head = '## Facts that differ between agents'
  if (agents.length > maxFactColumns) {
    const named = [...spread].slice(0, maxFacts).map(([fact, values]) => `${fact} (${plural(values.size, 'value')})`)
    const more = spread.size > maxFacts ? `, and ${spread.size - maxFacts} more` : ''
    return `${head}\n\n${escaped(`${named.join(', ')}${more}.`)} The values stand in report.json.`
  }
  const names = agentNames(report)
  const rows = [...spread.keys()]
    .slice(0, maxFacts)
    .map((fact) => [escaped(fact), ...agents.map(({ facts: own }) => escaped(own[fact] ?? 'not recorded'))])
  const more = spread.size > maxFacts ? `\n\nAnd ${plural(spread.size - maxFacts, 'more fact')}, in report.json.` : ''
  return `${head}\n\n${table(['fact', ...agents.map(({ id }) => escaped(names.get(id) ?? id))], rows)}${more}`
}

function list(head: string, texts: readonly string[]): string {
  return texts.length === 0 ? '' : `${head}\n\n${texts.map((text) => `- ${escaped(text)}`).join('\n')}`
}

function divergenceText(divergence: Divergence): string {
  const { classes, bits, values, statistics, missing } = divergence
  const parts = [
    `${classes.join(' and ')} differ at ${checkpointText(divergence)}, ${elementText(divergence.indices, divergence.element)}`,
  ]
  if (bits && values)
    parts.push(`${bits[0]} (${values[0]}) against ${bits[1]} (${values[1]}), ${differenceText(divergence)}`)
  if (missing) parts.push(`not looked into: ${missing}`)
  if (statistics) {
    const { unequal, elements } = statistics
    const distances = hasDistances(statistics)
    const most = distances ? `, largest distance ${ulpFigure(statistics)}` : ''
    const norm = distances ? `, relative L2 ${normFigure(statistics)}` : ''
    // Of one element the ULPs say it.
    parts.push(elements === 1 ? tellingKinds(statistics) : kindText(statistics))
    // A scalar is its only element.
    parts.push(
      elements === 1
        ? norm.slice(2)
        : `${grouped(unequal)} of ${grouped(elements)} elements unequal (${percent(unequal / elements)})${most}${norm}`,
    )
  }
  const { seq } = divergence.checkpoint
  if (seq > 0)
    parts.push(seq === 1 ? 'the checkpoint before it is equal' : `the ${grouped(seq)} checkpoints before it are equal`)
  const after = [extentText(divergence), churnText(divergence)].filter((text) => text !== '')
  if (divergence.differing + divergence.healed > 1) parts.push(...after)
  const grown = growthTexts(divergence, 3, 4)
  const growth =
    grown.length > 0 ? ` Growth (largest distance of an element, at some steps): ${escaped(grown.join('; '))}.` : ''
  return `${escaped(parts.filter((part) => part !== '').join('; '))}.${growth}`
}

/** The conditions of a class, and the machines that have them in it. */
function membersText(members: readonly Members[], names: ReadonlyMap<string, string>): string {
  const named = members.slice(0, maxMembers).map((member) => memberText(member, names))
  return `${named.join('; ')}${members.length > maxMembers ? `; and ${members.length - maxMembers} more` : ''}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/**
 * What GitHub and GitLab make a link, a mention or a reference of, wherever it stands and however it is escaped: they look
 * for it in the text that is left when all escapes are gone. In a code span it reads as itself. `openblas@0.3.28` and
 * `program@variant` are nothing of that: no domain stands behind the name.
 */
const linked = /(?<=\w)@(?:\d+(?:\.\d+)*|[\w-]+)(?![\w@-]|\.\w)|@+|:\/\/|\bwww\.|#(?=\d)/gi

/** Text that reads as itself: no markup, no HTML, no link, no mention, no table cell's end, no line break. */
function escaped(text: string): string {
  return visibleLine(text)
    .replace(/[\\`*_{}[\]|~$]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(linked, (found) => (/^@[\w-]/.test(found) ? found : `\`${found}\``))
    .replace(/^(\d{1,9})([.)])(?=\s|$)/, '$1\\$2')
    .replace(/^[-+#=]/, '\\$&')
}

/** The same as code: its fence is longer than any in the text, and a table's cell does not end in it. */
function code(text: string): string {
  const line = visibleLine(text).replaceAll('|', '\\|')
  const fence = fenceOf(line, 1)
  return line.includes('`') ? `${fence} ${line} ${fence}` : `${fence}${line}${fence}`
}

/** A code block whose fence is longer than any in the text. */
function fenced(text: string, language: string): string {
  const fence = fenceOf(text, 3)
  return `${fence}${language}\n${visible(text).trimEnd()}\n${fence}`
}

function fenceOf(text: string, least: number): string {
  const longest = [...text.matchAll(/`+/g)].reduce((most, [run]) => Math.max(most, run.length), least - 1)
  return '`'.repeat(longest + 1)
}
