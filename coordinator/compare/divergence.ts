import type { Output } from '../../shared/execution.ts'
import type { Checkpoint, Trace } from '../../shared/trace.ts'
import type { Divergence } from '../report/format.ts'
import { compareTensors } from './elements.ts'
import { type GrowthLimits, measureGrowth } from './growth.ts'
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

type FirstElement = Pick<Divergence, 'element' | 'indices' | 'bits' | 'values' | 'ulp' | 'statistics' | 'missing'>

async function firstElement(
  a: Checkpoint | undefined,
  b: Checkpoint | undefined,
  read: TensorReader,
): Promise<FirstElement> {
  const without = (missing: string): FirstElement => ({
    ...{ element: null, indices: null, bits: null, values: null, ulp: null, statistics: null },
    missing,
  })
  if (!a || !b || !samePlace(a, b)) {
    return without(`the checkpoint schemas differ: ${describe(a)} in the one, ${describe(b)} in the other`)
  }
  const [left, right] = await Promise.all([read(a), read(b)])
  if ('missing' in left) return without(left.missing)
  if ('missing' in right) return without(right.missing)
  const { first, statistics } = compareTensors(left, right)
  return first === null ? without('the digests differ and the bytes do not') : { ...first, statistics }
}

function describe(checkpoint: Checkpoint | undefined): string {
  if (!checkpoint) return 'the end of the trace'
  return `${checkpoint.name} (step ${checkpoint.step}, ${checkpoint.dtype}[${checkpoint.shape.join(', ')}])`
}

/** From the first divergence on; a place that only one of the two has differs. */
function countDifferences(a: Trace, b: Trace, position: number): Pick<Divergence, 'differing' | 'healed'> {
  const end = Math.max(a.checkpoints.length, b.checkpoints.length)
  let healed = 0
  for (let i = position; i < end; i++) {
    const [left, right] = [a.checkpoints[i], b.checkpoints[i]]
    if (left && right && left.digest === right.digest && samePlace(left, right)) healed++
  }
  return { differing: end - position - healed, healed }
}

/** Pairs of final tensors of one name that can be compared. */
function pairs(a: readonly Output[], b: readonly Output[]): [Output, Output][] {
  const others = new Map(b.map((output) => [output.name, output]))
  return a.flatMap((output): [Output, Output][] => {
    const other = others.get(output.name)
    return other && other.dtype === output.dtype && other.shape.join() === output.shape.join() ? [[output, other]] : []
  })
}

async function compareOutputs(
  a: readonly Output[],
  b: readonly Output[],
  read: TensorReader,
): Promise<Divergence['outputs']> {
  const compared: Divergence['outputs'] = []
  for (const [left, right] of pairs(a, b)) {
    if (left.digest === right.digest) continue
    const [x, y] = await Promise.all([read(left), read(right)])
    const statistics = 'missing' in x || 'missing' in y ? null : compareTensors(x, y).statistics
    compared.push({ name: left.name, digests: [left.digest, right.digest], statistics })
  }
  return compared
}

/** Churn: the share of predicted labels that differ (Milani Fard et al., NeurIPS 2016). */
async function compareDecisions(
  a: readonly Output[],
  b: readonly Output[],
  read: TensorReader,
): Promise<Divergence['decisions']> {
  const labels = pairs(a, b).find(([{ name, dtype }]) => name === 'labels' && dtype === 'i32')
  if (!labels) return null
  const [left, right] = labels
  const count = left.shape.reduce((product, extent) => product * extent, 1)
  if (left.digest === right.digest) return { labels: count, changed: 0, churn: 0 }
  const [x, y] = await Promise.all([read(left), read(right)])
  if ('missing' in x || 'missing' in y) return null
  const changed = compareTensors(x, y).statistics.unequal
  return { labels: count, changed, churn: changed / count }
}
