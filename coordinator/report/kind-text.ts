import type {
  DifferenceKind,
  DifferencePattern,
  ElementComparison,
  FirstDifference,
  Growth,
  SelfDifference,
} from './format.ts'
import { grouped, listed, percent, plural, rounded, ulpText } from './wording.ts'

// What kind of difference it is, and the figures that may not exist: every form of the report says them by these.

const names: Readonly<Record<DifferenceKind, string>> = {
  'nan-sign': 'NaN against NaN (sign)',
  'nan-payload': 'NaN against NaN (payload)',
  'nan-number': 'NaN against number',
  'infinity-sign': 'infinity against infinity (sign)',
  infinity: 'infinity against finite',
  'sign-of-zero': 'sign of zero',
  'subnormal-zero': 'subnormal against zero (flush)',
  zero: 'zero against non-zero',
  rounding: 'rounding (at most 8 ULP)',
  saturation: 'saturation (one side at the limit of the type)',
  larger: 'more than 8 ULP apart',
  integer: 'another integer',
}

const patternNames: Readonly<Record<DifferencePattern, string>> = {
  permutation: 'the same values in another order (permutation)',
  mask: 'zero in other places (another mask)',
}

/** `subnormal against zero (flush)`. */
export function kindName(kind: DifferenceKind): string {
  return names[kind]
}

/** Kinds from the most to the least frequent; equally frequent ones in the order of their definition. */
export function kindCounts(kinds: ElementComparison['kinds']): [DifferenceKind, number][] {
  const order = Object.keys(names)
  return (Object.entries(kinds) as [DifferenceKind, number][]).sort(
    ([a, m], [b, n]) => n - m || order.indexOf(a) - order.indexOf(b),
  )
}

/**
 * The kinds of a tensor's differences: `sign of zero`, of several elements `12 rounding (at most 8 ULP) and 1 NaN
 * against number; the same values in another order (permutation)`. Empty if nothing differs or no kind is recorded.
 *
 * @param most kinds that are named; the rest are counted
 */
export function kindText({ kinds, patterns }: Pick<ElementComparison, 'kinds' | 'patterns'>, most = 4): string {
  const counts = kindCounts(kinds)
  if (counts.length === 0) return ''
  const [only] = counts
  const single = counts.length === 1 && only?.[1] === 1
  const named = counts.slice(0, most).map(([kind, count]) => `${grouped(count)} ${names[kind]}`)
  const rest = counts.slice(most).reduce((sum, [, count]) => sum + count, 0)
  const text = single && only ? names[only[0]] : listed([...named, ...(rest > 0 ? [`${grouped(rest)} other`] : [])])
  return [text, ...patterns.map((pattern) => patternNames[pattern])].join('; ')
}

/** Whether distances are of any meaning: integers and tensors without elements have none. */
export function hasDistances({ histogram }: Pick<ElementComparison, 'histogram'>): boolean {
  return histogram.length > 0
}

/** Kinds whose distance says more than their name does. */
const told: ReadonlySet<DifferenceKind> = new Set(['rounding', 'larger'])

/** How one element differs: `3 ULP apart`, or the kind if a distance would mislead: `subnormal against zero (flush)`. */
export function differenceText({ ulp, kind }: Pick<FirstDifference, 'ulp' | 'kind'>): string {
  return kind === null || told.has(kind) ? ulpText(ulp) : kindName(kind)
}

/** The largest distance: `12 ULP`, or `not measured`. */
export function ulpFigure({ maxUlp }: Pick<ElementComparison, 'maxUlp'>): string {
  return maxUlp === null ? 'not measured' : `${grouped(maxUlp)} ULP`
}

/** The relative L2: a number, `infinite` or `not measured`. */
export function normFigure({ relativeL2 }: Pick<ElementComparison, 'relativeL2'>): string {
  if (relativeL2 === null) return 'not measured'
  return relativeL2 === 'infinite' ? 'infinite' : rounded(relativeL2)
}

/**
 * How far apart a tensor is at one step: `equal`, `3 ULP`, `NaN`, `infinite`, `not measured`; the kind if all elements
 * are of one that no distance tells; for integers the share of unequal elements.
 */
export function pointFigure(point: Growth['points'][number]): string {
  if (point.state === 'nan') return 'NaN'
  if (point.state === 'infinite') return 'infinite'
  if (point.state === 'not-measured' || point.unequal === null) return 'not measured'
  if (point.unequal === 0) return 'equal'
  const [main, ...others] = kindCounts(point.kinds)
  if (main && others.length === 0 && !told.has(main[0]) && main[0] !== 'integer') return kindName(main[0])
  if (point.maxUlp !== null) return ulpFigure(point)
  return point.relativeL2 === null ? percent(point.unequal) : normFigure(point)
}

/**
 * Where a cell's executions first differ, over all its results: `checkpoint 3 sum (step 0, f32[]): element [2], 3 values:
 * 3f800000, 3f800001, 3f800002; 5 of 64 elements vary over 4 results`.
 */
export function selfDifferenceText(found: SelfDifference): string {
  const { checkpoint, indices, bits, varying, elements, read, tensors, missing } = found
  const { seq, name, step, dtype, shape } = checkpoint
  const where = `checkpoint ${grouped(seq)} ${name} (step ${grouped(step)}, ${dtype}[${shape.join(', ')}])`
  if (bits === null) return `${where}, ${plural(tensors, 'different result')}; ${missing ?? 'its bytes were not kept'}`
  const element = indices === null || indices.length === 0 ? 'the scalar' : `element [${indices.join(', ')}]`
  const shown = bits.slice(0, 4).join(', ')
  const more = bits.length > 4 ? ` and ${grouped(bits.length - 4)} more` : ''
  const over = read < tensors ? `${grouped(read)} of ${plural(tensors, 'result')}` : plural(tensors, 'result')
  const vary = elements === 1 ? '' : `; ${grouped(varying ?? 0)} of ${plural(elements ?? 0, 'element')} vary`
  const of = bits.length === tensors && read === tensors && elements === 1 ? '' : ` over ${over}`
  return `${where}, ${element}: ${plural(bits.length, 'different value')}, ${shown}${more}${vary}${of}`
}

/** The kinds, where a distance does not say them already: one element, or rounding alone, has its ULPs beside it. */
export function tellingKinds(statistics: ElementComparison): string {
  const [main, ...others] = kindCounts(statistics.kinds)
  const said = main !== undefined && others.length === 0 && told.has(main[0]) && statistics.maxUlp !== null
  return said && statistics.patterns.length === 0 ? '' : kindText(statistics)
}
