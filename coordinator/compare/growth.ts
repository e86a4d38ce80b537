import { arrayKey, dtypeBytes, elementCount, isFloat } from '../../shared/tensor.ts'
import type { Checkpoint, Trace } from '../../shared/trace.ts'
import type { Divergence, Growth } from '../report/format.ts'
import { plural } from '../report/wording.ts'
import { comparePlaces } from './measured-pair.ts'
import { samePlace } from './prefix-tree.ts'
import type { TensorReader } from './tensor-reader.ts'

export interface GrowthLimits {
  /** Names of tensors that are followed. */
  readonly names: number
  /** Checkpoints measured of each. */
  readonly points: number
  /** Bytes read of both sides together. */
  readonly bytes: number
}

type Pair = readonly [Checkpoint, Checkpoint]

/** What a reader asks for first, where there are more names than are followed. */
const preferred = [/^loss$/, /^logits$/, /^weights\//, /^update\//, /^forward\//, /^backward\//]

/**
 * How far apart each tensor is at every step, from the first divergence on, for names that come up at several steps.
 * Bounded by sampling evenly, the first and the last always among the samples; what was left out is said.
 */
export async function measureGrowth(
  a: Trace,
  b: Trace,
  position: number,
  read: TensorReader,
  limits: GrowthLimits,
): Promise<Pick<Divergence, 'growth' | 'growthNote'>> {
  const series = seriesFrom(a, b, position)
  const followed = [...series].sort(([x], [y]) => rank(x) - rank(y)).slice(0, limits.names)
  const share = limits.bytes / Math.max(1, followed.length)
  const left: string[] = []
  let unread = 0
  const growth: Growth[] = []
  for (const [name, pairs] of followed) {
    const sampled = sample(pairs, Math.min(limits.points, affordable(pairs, share)))
    const points: Growth['points'] = []
    for (const pair of sampled) {
      points.push(await measurePoint(pair, read))
    }
    unread += points.filter(({ state }) => state === 'not-measured').length
    if (points.some(({ state }) => state !== 'not-measured')) growth.push({ name, of: pairs.length, points })
    if (sampled.length < pairs.length) left.push(`${name} at ${sampled.length} of ${pairs.length} checkpoints`)
  }
  const notes = [
    series.size > followed.length ? `${followed.length} of ${series.size} names followed` : '',
    left.length > 0 ? `sampled evenly: ${left.join(', ')}` : '',
    unread > 0 ? `${plural(unread, 'checkpoint was', 'checkpoints were')} not measured` : '',
  ].filter((note) => note !== '')
  return { growth, ...(notes.length > 0 ? { growthNote: notes.join('; ') } : {}) }
}

/** Pairs of checkpoints by name, for names that both traces have at several steps and that differ somewhere. */
function seriesFrom(a: Trace, b: Trace, position: number): Map<string, Pair[]> {
  const series = new Map<string, Pair[]>()
  const end = Math.min(a.checkpoints.length, b.checkpoints.length)
  for (let i = position; i < end; i++) {
    const [left, right] = [a.checkpoints[i] as Checkpoint, b.checkpoints[i] as Checkpoint]
    if (!samePlace(left, right)) break
    const pairs = series.get(left.name)
    if (pairs) pairs.push([left, right])
    else series.set(left.name, [[left, right]])
  }
  for (const [name, pairs] of series) {
    if (new Set(pairs.map(([{ step }]) => step)).size < 2 || pairs.every(isEqual)) series.delete(name)
  }
  return series
}

function isEqual([a, b]: Pair): boolean {
  return arrayKey(a) === arrayKey(b)
}

function rank(name: string): number {
  const found = preferred.findIndex((pattern) => pattern.test(name))
  return found === -1 ? preferred.length : found
}

/** How many pairs of the largest of these tensors fit into so many bytes. */
function affordable(pairs: readonly Pair[], bytes: number): number {
  let largest = 1
  for (const [{ dtype, shape }] of pairs) largest = Math.max(largest, 2 * dtypeBytes[dtype] * elementCount(shape))
  return Math.max(2, Math.floor(bytes / largest))
}

/** `count` items at even distances, the first and the last among them. */
function sample<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items]
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))] as T)
}

type Point = Growth['points'][number]

async function measurePoint(pair: Pair, read: TensorReader): Promise<Point> {
  const [{ step, seq, dtype }] = pair
  if (isEqual(pair)) {
    // Equal digests are equal bits: nothing to read.
    const zero = isFloat(dtype) ? ({ maxUlp: '0', relativeL2: 0 } as const) : { maxUlp: null, relativeL2: null }
    return { step, seq, state: 'equal', kinds: {}, ...zero, unequal: 0 }
  }
  const found = await comparePlaces(pair[0], pair[1], read)
  if ('missing' in found) {
    const nothing = { kinds: {}, maxUlp: null, relativeL2: null, unequal: null }
    return { step, seq, state: 'not-measured', ...nothing, missing: found.missing }
  }
  const { kinds, maxUlp, relativeL2, unequal, elements } = found.statistics
  return { step, seq, state: stateOf(kinds), kinds, maxUlp, relativeL2, unequal: unequal / elements }
}

function stateOf(kinds: Point['kinds']): Point['state'] {
  if (kinds['nan-number'] ?? kinds['nan-sign'] ?? kinds['nan-payload']) return 'nan'
  return (kinds.infinity ?? kinds['infinity-sign']) ? 'infinite' : 'measured'
}
