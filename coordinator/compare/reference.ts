import { backendName } from '../../shared/backend-description.ts'
import type { Output } from '../../shared/execution.ts'
import { decodeFloats } from '../../shared/half.ts'
import { isFloat } from '../../shared/tensor.ts'
import type { ReferenceCondition } from '../../workloads/catalogue.ts'
import type { Artifacts } from '../records.ts'
import type { Reference } from '../report/format.ts'
import type { CellOutcome } from './cells.ts'
import type { TraceClass } from './classes.ts'
import { comparePlaces } from './measured-pair.ts'
import { createTensorReader } from './tensor-reader.ts'

/** Classes whose distance is measured: each is a tensor read. */
const maxMeasured = 256

/**
 * The class of the correctly rounded result, where a cell computed it, and the distance of every other class from it.
 * Says nothing where the cells that should compute it are of two classes: one of them is then wrong.
 */
export async function measureReference(
  classes: readonly TraceClass[],
  condition: ReferenceCondition | undefined,
  artifacts: Artifacts,
  notes: string[],
): Promise<Reference | undefined> {
  if (condition === undefined) return undefined
  const found = classes.flatMap((own) => {
    const cells = own.members.filter((outcome) => computes(outcome, condition))
    return cells.length === 0 ? [] : [{ own, cells }]
  })
  const [reference, other] = found
  if (reference === undefined) return undefined
  if (other !== undefined) {
    const letters = found.map(({ own }) => own.letter).join(', ')
    notes.push(`the cells that round the exact result once are of several classes, ${letters}: one of them is wrong`)
    return undefined
  }
  if (await hasNaN(reference.cells[0], artifacts)) {
    notes.push(
      'the exact result has a NaN, and no rule of rounding fixes its bits: no class is called the correctly rounded one',
    )
    return undefined
  }
  const distances: Reference['distances'] = []
  const others = classes.filter(({ letter }) => letter !== reference.own.letter)
  for (const { letter, members } of others.slice(0, maxMeasured)) {
    distances.push({ class: letter, ...(await distanceFrom(reference.cells[0], members[0], artifacts)) })
  }
  if (others.length > maxMeasured) {
    notes.push(`of ${others.length} classes, ${maxMeasured} were compared with the correctly rounded result`)
  }
  return { class: reference.own.letter, cells: reference.cells.map(({ cell }) => cell.id), distances }
}

/** By the order that was read back: what was asked for alone is no evidence that it was computed. */
function computes({ cell, effective }: CellOutcome, { backend, knob, value }: ReferenceCondition): boolean {
  return backendName(cell.condition.backend) === backend && effective[knob] === value
}

/** False also if its bytes were not kept: then no distance from it is measured either. */
async function hasNaN(outcome: CellOutcome | undefined, artifacts: Artifacts): Promise<boolean> {
  const outputs = outputsOf(outcome)
  const [first] = outputs
  if (first === undefined) return false
  const tensor = await createTensorReader(artifacts, outputs)(first)
  return !('missing' in tensor) && isFloat(tensor.dtype) && decodeFloats(tensor).some(Number.isNaN)
}

function outputsOf(outcome: CellOutcome | undefined): readonly Output[] {
  return outcome?.completed[0]?.execution.outputs ?? []
}

async function distanceFrom(
  a: CellOutcome | undefined,
  b: CellOutcome | undefined,
  artifacts: Artifacts,
): Promise<Omit<Reference['distances'][number], 'class'>> {
  const [exact, other] = [outputsOf(a), outputsOf(b)]
  const [x, y] = [exact[0], other[0]]
  if (x === undefined || y === undefined) return { statistics: null, missing: 'it has no final tensor' }
  const found = await comparePlaces(x, y, createTensorReader(artifacts, [...exact, ...other]))
  return 'missing' in found ? { statistics: null, missing: found.missing } : { statistics: found.statistics }
}
