import type { Divergence, ElementComparison, Growth, Reference, ReportCell } from './format.ts'
import { hasDistances, normFigure, pointFigure, tellingKinds, ulpFigure } from './kind-text.ts'
import { conditionText, grouped, listed, percent, plural } from './wording.ts'

// What was measured of a comparison, in the words that the forms of the report share.

const maxNamed = 12

/** `All classes start from the same inputs: input and input-b.` */
export function inputsText(inputs: readonly string[]): string {
  const named = inputs.slice(0, maxNamed)
  const more = inputs.length - named.length
  return `All classes start from the same inputs: ${more > 0 ? `${named.join(', ')} and ${grouped(more)} more` : listed(named)}.`
}

/** `A holds the correctly rounded result, by js order=exact.` */
export function referenceText(reference: Reference, cells: ReadonlyMap<string, ReportCell>): string {
  const conditions = reference.cells.flatMap((id) => {
    const cell = cells.get(id)
    return cell ? [conditionText(cell.condition)] : []
  })
  return `${reference.class} holds the correctly rounded result, by ${listed([...new Set(conditions)])}.`
}

/**
 * How far from the correctly rounded result: `2 ULP`, of many elements `at most 2 ULP, relative L2 10⁻⁸, 31 % unequal`.
 *
 * @param missing why nothing was measured
 */
export function distanceText(statistics: ElementComparison | null, missing = 'its bytes were not kept'): string {
  if (statistics === null) return missing
  const { elements, unequal, maxUlp } = statistics
  const parts: string[] = []
  if (hasDistances(statistics)) {
    parts.push(
      maxUlp === null ? 'distance not measured' : `${elements === 1 ? '' : 'at most '}${ulpFigure(statistics)}`,
    )
    // Of one element the distance says as much, unless the norm is beyond all numbers.
    if (elements > 1 || statistics.relativeL2 === 'infinite') parts.push(`relative L2 ${normFigure(statistics)}`)
  }
  if (elements > 1) parts.push(`${percent(unequal / elements)} unequal`)
  parts.push(tellingKinds(statistics))
  return parts.filter((part) => part !== '').join(', ')
}

/** In the column of a class: it is the reference, or how far from it. */
export function referenceColumn(reference: Reference, letter: string): string {
  if (letter === reference.class) return 'this is it'
  const found = reference.distances.find((distance) => distance.class === letter)
  return found ? distanceText(found.statistics, found.missing) : 'not measured'
}

/** What of the rest of the trace differs: `41 checkpoints differ in all; 2 after the first difference are equal again`. */
export function extentText({ differing, healed }: Divergence): string {
  const later = healed === 1 ? 'one after the first difference is' : `${grouped(healed)} after the first difference are`
  const rest = healed > 0 ? `; ${later} equal` : ''
  return `${plural(differing, 'checkpoint differs', 'checkpoints differ')} in all${rest}`
}

/** `predicted labels that differ: 3 of 360 (churn 0.83 %)`; empty where nothing is predicted. */
export function churnText({ decisions }: Divergence): string {
  if (decisions === null) return ''
  const { changed, labels, churn } = decisions
  return `predicted labels that differ: ${grouped(changed)} of ${grouped(labels)} (churn ${percent(churn)})`
}

/**
 * How a tensor's difference grows, at about `count` of its steps, the largest distance among them: `loss 1 ULP at step 2,
 * 24 ULP at step 40`. In parts of its norm for what has no ULPs. A NaN that stays is said from its first step: `NaN from step 3`.
 */
export function growthText({ name, of, points }: Growth, count: number): string {
  const first = points.findIndex(({ unequal }) => unequal !== 0)
  const grown = points.slice(Math.max(0, first))
  const tail = stayingFrom(grown)
  const before = grown.slice(0, tail)
  const last = before.length - 1
  const room = Math.max(1, tail < grown.length ? count - 1 : count)
  const even = Array.from({ length: room }, (_, i) => Math.round((i * last) / Math.max(1, room - 1)))
  // Where a difference heals, the last steps say little of how large it was.
  const picked = [...new Set([...even, furthest(before)])].sort((x, y) => x - y)
  const places = picked.flatMap((at) => {
    const point = before[at]
    return point === undefined ? [] : [`${pointFigure(point)} at step ${grouped(point.step)}`]
  })
  const staying = grown[tail]
  if (staying !== undefined) places.push(stayingText(staying, of !== undefined && of > points.length))
  return `${name} ${places.join(', ')}`
}

/** Place of the point with the largest distance; 0 if none has one. */
function furthest(points: Growth['points']): number {
  const distances = points.map(({ maxUlp }) => (maxUlp === null ? -1n : BigInt(maxUlp)))
  return distances.reduce((best, distance, i) => (distance > (distances[best] as bigint) ? i : best), 0)
}

/** Place of the first of several last points that are all NaN, or all infinite; behind the last if there are none. */
export function stayingFrom(points: Growth['points']): number {
  const state = points.at(-1)?.state
  if (state !== 'nan' && state !== 'infinite') return points.length
  const from = points.findLastIndex((point) => point.state !== state) + 1
  return points.length - from > 1 ? from : points.length
}

/** @param sampled not every step was looked at: it may be so from an earlier one on */
export function stayingText(point: Growth['points'][number], sampled: boolean): string {
  return `${pointFigure(point)} from step ${grouped(point.step)}${sampled ? ' or earlier' : ''}`
}

/**
 * Some of the tensors that are followed over steps, and how many more there are: the first, such as the loss, that with the
 * largest distance of all, and that which differs first.
 */
export function growthTexts({ growth, checkpoint }: Divergence, names: number, count: number): string[] {
  const followed = growth.filter(({ points }) => points.length > 1)
  const largest = ({ points }: Growth) => BigInt(points[furthest(points)]?.maxUlp ?? -1)
  const most = followed.toSorted((a, b) => (largest(a) < largest(b) ? 1 : largest(a) > largest(b) ? -1 : 0))[0]
  const first = followed.find(({ name }) => name === checkpoint.name)
  const wanted = [followed[0], most, first, ...followed].filter((one) => one !== undefined)
  const chosen = new Set([...new Set(wanted)].slice(0, names))
  const more = followed.length - chosen.size
  return [
    ...followed.filter((one) => chosen.has(one)).map((grown) => growthText(grown, count)),
    ...(more > 0 ? [`and ${plural(more, 'more tensor')}`] : []),
  ]
}
