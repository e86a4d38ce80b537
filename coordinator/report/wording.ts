import type { Comparison, Divergence, Explanation, Report, ReportCell } from './format.ts'
import type { PlannedChange } from './planned-changes.ts'

// What the forms of the report say in the same words. Text from agents and plans is passed through as it came: each
// form makes it visible and escapes it in its own way.

/** Digits in groups of three, by a narrow no-break space. */
export function grouped(value: number | string): string {
  return String(value).replace(/^(-?\d+)/, (digits) =>
    digits.length > 4 ? digits.replace(/\B(?=(\d{3})+$)/g, '\u202f') : digits,
  )
}

/** Three significant digits, for reading only. */
export function rounded(value: number): string {
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  if (magnitude >= 1e-3 && magnitude < 1e5) return String(Number(value.toPrecision(3)))
  const [significand, exponent] = value.toExponential(2).split('e') as [string, string]
  return `${significand}\u202f×\u202f10${superscript(Number(exponent))}`
}

export function superscript(exponent: number): string {
  return String(exponent).replace(/./g, (sign) => (sign === '-' ? '⁻' : ('⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(sign)] as string)))
}

export function percent(share: number): string {
  if (share === 0) return '0\u202f%'
  if (share > 0.9995 && share < 1) return '>\u202f99.9\u202f%'
  const value = share * 100
  return `${value < 0.01 ? rounded(value) : Number(value.toPrecision(value < 1 ? 2 : 3))}\u202f%`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`
}

export function listed(items: readonly string[]): string {
  if (items.length < 2) return items[0] ?? ''
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`
}

function valueText(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'file' in value) return String(value.file)
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
}

export function paramsText(params: Readonly<Record<string, unknown>>): string {
  // The name of a listed program says more than what it was given; records have their keys in the order of the alphabet.
  const entries = Object.entries(params)
  return [...entries.filter(([name]) => name === 'name'), ...entries.filter(([name]) => name !== 'name')]
    .map(([name, value]) => `${name}=${valueText(value)}`)
    .join(' ')
}

type Condition = ReportCell['condition']

export function knobsText({ knobs, device }: Condition): string {
  const parts = Object.entries(knobs).map(([name, value]) => `${name}=${value}`)
  if (device !== 'cpu') parts.unshift(`on ${device}`)
  return parts.join(' ')
}

/** `tfjs-wasm variant=simd`, with its label where it is not native. */
export function conditionText(condition: Condition): string {
  const parts = [condition.backend, knobsText(condition), condition.label === 'native' ? '' : `(${condition.label})`]
  return parts.filter((part) => part !== '').join(' ')
}

export function comparisonTitle({ workload, params, seed }: Comparison, withSeed: boolean): string {
  return [workload, paramsText(params), withSeed ? `seed=${seed}` : ''].filter((part) => part !== '').join(' ')
}

/** What to call each agent: its name where no other has it, else its name and id. */
export function agentNames(report: Report): Map<string, string> {
  const counts = new Map<string, number>()
  for (const { name } of report.agents) counts.set(name, (counts.get(name) ?? 0) + 1)
  return new Map(report.agents.map(({ id, name }) => [id, counts.get(name) === 1 ? name : `${name} (${id})`]))
}

/** The seeds in use; where there is only one it is said once, not at every comparison. */
export function seedsOf(report: Report): string[] {
  return [...new Set(report.comparisons.map(({ seed }) => seed))]
}

export function checkpointText({ checkpoint }: Divergence): string {
  const { name, seq, step, dtype, shape } = checkpoint
  return `${name} (checkpoint ${seq}, step ${step}, ${dtype}[${shape.join(', ')}])`
}

export function elementText(indices: readonly number[] | null, element: number | null): string {
  if (element === null) return 'element not known'
  return indices === null || indices.length === 0 ? 'the scalar' : `element [${indices.join(', ')}]`
}

export function ulpText(ulp: string | null): string {
  return ulp === null ? 'no ULP distance' : ulp === '1' ? '1 ULP apart' : `${grouped(ulp)} ULP apart`
}

/** What agreement of k executions shows, and what it does not. */
export function agreementText(found: NonNullable<Comparison['selfConsistency']>): string {
  return found.executions === 1
    ? 'One execution of a cell shows nothing about whether it agrees with itself.'
    : `No difference in ${found.executions} executions: with 95 % confidence, all other outcomes of that cell together are rarer than ${percent(found.otherOutcomesBelow)} of executions.`
}

/** The same in a few words, beside each workload. */
export function agreementShort({ executions, otherOutcomesBelow }: NonNullable<Comparison['selfConsistency']>): string {
  return executions === 1
    ? 'Cells ran once: whether they agree with themselves is not known.'
    : `No difference in ${executions} executions of a cell: with 95 % confidence, other outcomes are rarer than ${percent(otherOutcomesBelow)}.`
}

/** The least and greatest of executions that stand behind the comparisons' cells. */
export function agreementRange(
  report: Report,
): [NonNullable<Comparison['selfConsistency']>, NonNullable<Comparison['selfConsistency']>] | undefined {
  const found = report.comparisons
    .flatMap(({ selfConsistency }) => (selfConsistency ? [selfConsistency] : []))
    .sort((a, b) => a.executions - b.executions)
  const [first, last] = [found[0], found.at(-1)]
  return first && last ? [first, last] : undefined
}

/** What a set of facts does to the classes: no claim that one causes the other. */
export function explanationText({
  facts,
  equal,
}: {
  readonly facts: readonly string[]
  readonly equal: boolean
}): string {
  const set = listed(facts)
  const verb = facts.length === 1 ? 'parts' : 'together part'
  return equal
    ? `${set} ${verb} the cells exactly as their bits do`
    : `${set} ${verb} the cells more finely than their bits do: equal facts always gave equal bits, different facts did not always give different ones`
}

/** How likely chance is to explain as well. */
export function chanceText({ chance, draws, noFigure }: Pick<Explanation, 'chance' | 'draws' | 'noFigure'>): string {
  if (chance === null) return noFigureText(noFigure)
  const hits = Math.round(chance * draws)
  if (hits === 0) {
    return draws === 0
      ? 'not weighed against chance'
      : `none of ${grouped(draws)} random relabellings was explained as well (by chance in fewer than ${percent(3 / draws)}, with 95 % confidence)`
  }
  const weight = chance > 0.5 ? ': by itself no evidence' : chance > 0.05 ? ': by itself weak evidence' : ''
  return `${percent(chance)} of ${grouped(draws)} random relabellings would be explained as well${weight}`
}

/** Why nothing is said about chance. */
function noFigureText(noFigure: Explanation['noFigure']): string {
  switch (noFigure) {
    case 'cells':
      return 'no chance figure: cells of one machine are not independent'
    case 'tooFewMachines':
      return 'no chance figure: so few machines cannot show a cause'
    default:
      return 'no chance figure: the search would take too long'
  }
}

/** The same in a few words. */
export function chanceShort({ chance, draws, noFigure }: Explanation): string {
  if (chance === null) return noFigureText(noFigure)
  if (draws === 0) return 'not weighed against chance'
  if (Math.round(chance * draws) === 0) return `chance does as well in fewer than ${percent(Math.min(1, 3 / draws))}`
  const weight = chance > 0.5 ? 'no evidence by itself: ' : chance > 0.05 ? 'weak evidence: ' : ''
  return `${weight}chance does as well in ${percent(chance)}`
}

/** A fact's value in a cell that does not have it. */
export function absentText(fact: string): string {
  return fact.startsWith('knob.') ? 'not set' : 'not recorded'
}

export const explanationStrength =
  'Observed: among the cells of this run these facts go along with the classes. A fact that merely differs between machines is not shown to be the cause, and no mechanism was tested.'

export const plannedChangeStrength =
  'Where the bits followed, that change suffices, on that machine and these inputs, as far as the cells agree with themselves.'

/** One setting changed and all else left alone: an experiment, and what it showed. */
export function plannedChangeText({ setting, pairs, followed, example }: PlannedChange): string {
  const where = pairs === 1 ? 'in one pair of cells' : `in ${grouped(pairs)} pairs of cells`
  const counts =
    pairs === 1 ? 'the bits followed' : `the bits followed in ${followed === pairs ? 'all' : grouped(followed)}`
  const [from, to] = (example?.values ?? []).map((value) => (value === undefined ? 'left out' : String(value)))
  const [a, b] = example?.classes ?? []
  return `${setting} was changed alone ${where}: ${counts} (${from} gives ${a}, ${to} gives ${b})`
}

/** The settings that moved nothing, in one sentence; empty where every one moved something. */
export function stayedText(changes: readonly PlannedChange[]): string {
  const stayed = changes.filter(({ followed }) => followed === 0)
  if (stayed.length === 0) return ''
  return `changed alone, and the bits stayed: ${listed(stayed.map(({ setting, pairs }) => `${setting} (${plural(pairs, 'pair')})`))}`
}

/** Why a cell has no result. */
export function failureText(cell: ReportCell): string {
  if (cell.status === 'crashed') return `crashed with ${cell.signal ?? 'an unknown signal'}`
  if (cell.status === 'timed-out')
    return `timed out${cell.limitMs === undefined ? '' : ` after ${duration(cell.limitMs)}`}`
  if (cell.status === 'failed') return `failed: ${[cell.code, cell.message].filter(Boolean).join(': ')}`
  if (cell.status === 'unsupported') return cell.reason ?? 'unsupported'
  return cell.status === 'missing' ? 'missing: no result came' : cell.status
}
