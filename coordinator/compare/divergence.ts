import type { Output } from '../../shared/execution.ts'
import { arrayKey, elementCount } from '../../shared/tensor.ts'
import type { Checkpoint, Trace } from '../../shared/trace.ts'
import type { Divergence } from '../report/format.ts'
import { type GrowthLimits, measureGrowth } from './growth.ts'
import { comparePlaces, typeText } from './measured-pair.ts'
import { type Parting, samePlace } from './prefix-tree.ts'
import type { TensorReader } from './tensor-reader.ts'

/** One of two executions that part. */
export interface Side {
  /** Cell id. */
  readonly cell: string
  /** The class's letter, or the repetition. */
  readonly name: string
  readonly trace: Trace
  readonly outputs: readonly Output[]
}

/** What two executions that part have to say of it: where, by which bits, how it grows, and whether it decides anything. */
export async function measureDivergence(
  a: Side,
  b: Side,
  { position, comparisons }: Parting,
  read: TensorReader,
  growthLimits: GrowthLimits | undefined,
): Promise<Divergence> {
  const [left, right] = [a.trace.checkpoints[position], b.trace.checkpoints[position]]
  const grown = growthLimits
    ? await measureGrowth(a.trace, b.trace, position, read, growthLimits)
    : { growth: [], growthNote: 'not measured: too many classes' }
  return {
    a: a.cell,
    b: b.cell,
    classes: [a.name, b.name],
    checkpoint: placeOf((left ?? right) as Checkpoint),
    digests: [left?.digest ?? null, right?.digest ?? null],
    comparisons,
    ...(await firstElement(left, right, read)),
    ...countDifferences(a.trace, b.trace, position),
    outputs: await compareOutputs(a.outputs, b.outputs, read),
    ...grown,
    decisions: await compareDecisions(a.outputs, b.outputs, read),
  }
}

function placeOf({ seq, step, name, dtype, shape }: Checkpoint): Divergence['checkpoint'] {
  return { seq, step, name, dtype, shape: [...shape] }
}

type FirstElement = Pick<
  Divergence,
  'element' | 'indices' | 'bits' | 'values' | 'ulp' | 'kind' | 'statistics' | 'missing'
>

async function firstElement(
  a: Checkpoint | undefined,
  b: Checkpoint | undefined,
  read: TensorReader,
): Promise<FirstElement> {
  const without = (missing: string): FirstElement => ({
    ...{ element: null, indices: null, bits: null, values: null, ulp: null, kind: null, statistics: null },
    missing,
  })
  if (!a || !b || !samePlace(a, b)) {
    const same = a && b && a.digest === b.digest ? ' (the same bytes)' : ''
    return without(`the checkpoint schemas differ: ${describe(a)} in the one, ${describe(b)} in the other${same}`)
  }
  const found = await comparePlaces(a, b, read)
  if ('missing' in found) return without(found.missing)
  const { first, statistics } = found
  return first === null ? without('the digests differ and the bytes do not') : { ...first, statistics }
}

function describe(checkpoint: Checkpoint | undefined): string {
  if (!checkpoint) return 'the end of the trace'
  return `${checkpoint.name} (step ${checkpoint.step}, ${typeText(checkpoint)})`
}

/** From the first divergence on; a place that only one of the two has differs. */
function countDifferences(a: Trace, b: Trace, position: number): Pick<Divergence, 'differing' | 'healed'> {
  const end = Math.max(a.checkpoints.length, b.checkpoints.length)
  let healed = 0
  for (let i = position; i < end; i++) {
    const [left, right] = [a.checkpoints[i], b.checkpoints[i]]
    if (left && right && samePlace(left, right) && arrayKey(left) === arrayKey(right)) healed++
  }
  return { differing: end - position - healed, healed }
}

/** Final tensors by name, those of a first; undefined on the side that has none of that name. */
function pairs(a: readonly Output[], b: readonly Output[]): [string, Output | undefined, Output | undefined][] {
  const byName = (outputs: readonly Output[]) => new Map(outputs.map((output) => [output.name, output]))
  const [left, right] = [byName(a), byName(b)]
  return [...new Set([...left.keys(), ...right.keys()])].map((name) => [name, left.get(name), right.get(name)])
}

async function compareOutputs(
  a: readonly Output[],
  b: readonly Output[],
  read: TensorReader,
): Promise<Divergence['outputs']> {
  const compared: Divergence['outputs'] = []
  for (const [name, left, right] of pairs(a, b)) {
    if (left && right && arrayKey(left) === arrayKey(right)) continue
    const found =
      left && right
        ? await comparePlaces(left, right, read)
        : { missing: 'only one side has a final tensor of this name' }
    compared.push({
      name,
      digests: [left?.digest ?? null, right?.digest ?? null],
      types: [left ? typeText(left) : null, right ? typeText(right) : null],
      ...('missing' in found ? { statistics: null, missing: found.missing } : { statistics: found.statistics }),
    })
  }
  return compared
}

/** Churn: the share of predicted labels that differ (Milani Fard et al., NeurIPS 2016). */
async function compareDecisions(
  a: readonly Output[],
  b: readonly Output[],
  read: TensorReader,
): Promise<Divergence['decisions']> {
  const [, left, right] = pairs(a, b).find(([name]) => name === 'labels') ?? []
  if (left?.dtype !== 'i32' || right === undefined) return null
  const labels = elementCount(left.shape)
  if (arrayKey(left) === arrayKey(right)) return { labels, changed: 0, churn: 0 }
  const found = await comparePlaces(left, right, read)
  if ('missing' in found) return null
  const changed = found.statistics.unequal
  return { labels, changed, churn: changed / labels }
}
