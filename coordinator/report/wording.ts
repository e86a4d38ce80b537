import { groupBy } from '../../shared/group-by.ts'
import type { Comparison, Divergence, Report, ReportCell } from './format.ts'

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
  if (share >= 0.9995 && share < 1) return '>\u202f99.9\u202f%'
  const value = share * 100
  return `${value < 0.01 ? rounded(value) : Number(value.toPrecision(value < 1 ? 2 : 3))}\u202f%`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`
}

export function listed(items: readonly string[], before: 'and' | 'or' = 'and'): string {
  if (items.length < 2) return items[0] ?? ''
  return `${items.slice(0, -1).join(', ')} ${before} ${items.at(-1)}`
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  // Rounded first: 59.96 s are a minute, and 59 min 59.7 s an hour.
  const tenths = Math.round(ms / 100)
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
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

/** What to call each agent: its name if no other has it, else its name and id. */
export function agentNames(report: Pick<Report, 'agents'>): Map<string, string> {
  return uniqueNames(report.agents)
}

/**
 * A name for each id, and no two alike: where several have one name, the id stands behind it in brackets. If somebody
 * is called just so, his id stands behind his name, too.
 */
export function uniqueNames(named: readonly { readonly id: string; readonly name: string }[]): Map<string, string> {
  const names = new Map(named.map(({ id, name }) => [id, name]))
  for (let changed = true; changed; ) {
    const counts = groupBy(names.values(), (name) => name)
    const unclear = named.filter(({ id, name }) => names.get(id) === name && (counts.get(name)?.length ?? 0) > 1)
    for (const { id, name } of unclear) names.set(id, `${name} (${id})`)
    changed = unclear.length > 0
  }
  return names
}

function piecesOf(text: string): string[] {
  return text.match(/\d+|\D+/g) ?? []
}

/** `node2` before `node10`; the same on every machine, whatever its language. */
export function byNaturalName(a: string, b: string): number {
  const [x, y] = [piecesOf(a), piecesOf(b)]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const [left, right] = [x[i] as string, y[i] as string]
    if (left === right) continue
    const [m, n] = [Number(left), Number(right)]
    if (!Number.isNaN(m) && !Number.isNaN(n) && m !== n) return m - n
    return left < right ? -1 : 1
  }
  return x.length - y.length
}

/** The seeds in use; where there is only one it is said once, not at every comparison. */
export function seedsOf(report: Report): string[] {
  return [...new Set(report.comparisons.map(({ seed }) => seed))]
}

export function checkpointText({ checkpoint }: Pick<Divergence, 'checkpoint'>): string {
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

/** What agreement shows, and what it does not, in a few words beside each workload. */
export function agreementShort({
  executions,
  otherOutcomesBelow: below,
}: NonNullable<Comparison['selfConsistency']>): string {
  // Cells that disagree with themselves are in no class, and may be in the same row.
  return below === null
    ? 'A cell of a class ran once: whether it agrees with itself is not known.'
    : `The cells in classes agree with themselves, in ${executions} executions each or more: with 95 % confidence, the other outcomes of a cell are rarer than ${percent(below)}.`
}

/** A fact's value in a cell that does not have it. */
export function absentText(fact: string): string {
  return fact.startsWith('knob.') ? 'not set' : 'not recorded'
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
