import { decimalText } from '../../shared/half.ts'
import { type Tensor, arrayKey, asBits, bitsHex, dtypeBytes, elementCount } from '../../shared/tensor.ts'
import type { Checkpoint, Trace } from '../../shared/trace.ts'
import type { SelfDifference } from '../report/format.ts'
import { elementAt, indicesOf } from './elements.ts'
import { firstDivergence, samePlace } from './prefix-tree.ts'
import type { TensorReader } from './tensor-reader.ts'

export interface SelfLimits {
  /** Distinct traces that are looked at. */
  readonly traces: number
  /** Bytes of tensors that are read. At least two tensors are, whatever their size. */
  readonly bytes: number
}

/**
 * Where the executions of one cell first differ, over all their distinct traces.
 *
 * @param traces distinct, at least two, in the order of the executions
 */
export async function locateSelfDifference(
  traces: readonly Trace[],
  read: TensorReader,
  limits: SelfLimits,
): Promise<SelfDifference> {
  const looked = traces.slice(0, limits.traces)
  const [first, ...others] = looked as [Trace, ...Trace[]]
  const position = Math.min(...others.map((other) => firstDivergence(first, other).position))
  const places = new Map<string, Checkpoint | undefined>()
  for (const { checkpoints } of looked) {
    const found = checkpoints[position]
    places.set(found ? JSON.stringify([found.name, found.step, arrayKey(found)]) : '', found)
  }
  const distinct = [...places.values()]
  const { seq, step, name, dtype, shape } = distinct.find((place) => place !== undefined) as Checkpoint
  return {
    looked: looked.length,
    checkpoint: { seq, step, name, dtype, shape: [...shape] },
    tensors: distinct.length,
    digests: distinct.map((place) => place?.digest ?? null),
    ...(await varyingElements(distinct, read, limits.bytes)),
  }
}

type Varying = Omit<SelfDifference, 'looked' | 'checkpoint' | 'tensors' | 'digests'>

async function varyingElements(
  places: readonly (Checkpoint | undefined)[],
  read: TensorReader,
  bytes: number,
): Promise<Varying> {
  const nothing = { element: null, indices: null, bits: null, values: null, varying: null, elements: null, read: 0 }
  const [first, ...others] = places
  if (!first || !others.every((other) => other && samePlace(first, other))) {
    return { ...nothing, missing: 'the executions have different checkpoints there' }
  }
  const each = dtypeBytes[first.dtype] * elementCount(first.shape)
  const tensors: Tensor[] = []
  for (const place of (places as readonly Checkpoint[]).slice(0, Math.max(2, Math.floor(bytes / each)))) {
    const tensor = await read(place)
    if ('missing' in tensor) return { ...nothing, missing: tensor.missing }
    tensors.push(tensor)
  }
  const { element, varying } = countVarying(tensors)
  if (element === undefined) return { ...nothing, missing: 'the digests differ and the bytes do not' }
  const scalars = tensors.map((tensor) => elementAt(tensor, element))
  const found = new Map(
    scalars.map((scalar) => [
      bitsHex(scalar)[0] as string,
      decimalText(scalar.dtype, asBits(scalar)[0] as number | bigint),
    ]),
  )
  return {
    element,
    indices: indicesOf(element, first.shape),
    bits: [...found.keys()],
    values: [...found.values()],
    varying,
    elements: elementCount(first.shape),
    read: tensors.length,
  }
}

/** The first element that is not the same in all tensors, and how many are not. */
function countVarying(tensors: readonly Tensor[]): { element: number | undefined; varying: number } {
  const [first, ...others] = tensors.map(asBits) as [ReturnType<typeof asBits>, ...ReturnType<typeof asBits>[]]
  let element: number | undefined
  let varying = 0
  for (let i = 0; i < first.length; i++) {
    if (others.every((other) => other[i] === first[i])) continue
    element ??= i
    varying++
  }
  return { element, varying }
}
