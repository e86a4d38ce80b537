import { resolve } from 'node:path'
import { arrayKey, distinctArrays, refersTo } from '../../shared/array-identity.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { JobInput } from '../../shared/messages.ts'
import { readNamedFile } from '../../shared/named-file.ts'
import { parseNpy } from '../../shared/npy.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import type { Plan, PlannedInput, PlannedWorkload } from './plan.ts'

/** A user's own array that goes along with a plan. */
export interface PlanArray extends JobInput {
  /** As the plan calls it. Left out, its digest must say which of the plan's arrays it is. */
  readonly file?: string | undefined
}

/**
 * Reads the users' own arrays that a plan names.
 *
 * @param folder of the plan file; the plan's paths are relative to it
 * @returns dtype and shape of each for the coordinator, and the payloads by digest
 * @throws `not-found`, `format`, or `digest-mismatch` if a file is not what the plan pins; as `pinArrays`
 */
export async function collectInputs(
  plan: Plan,
  folder: string,
): Promise<{ inputs: PlanArray[]; payloads: Map<Digest, Uint8Array> }> {
  const inputs = new Map<string, PlanArray>()
  const payloads = new Map<Digest, Uint8Array>()
  for (const planned of plan.inputs) {
    const { file, digest, at } = planned
    const path = resolve(folder, file)
    const bytes = await readNamedFile(path, { title: file }).catch((cause: unknown) => {
      throw isBitfleetError(cause) ? new BitfleetError(cause.code, `${at}: ${cause.message}`, { cause }) : cause
    })
    let tensor: ReturnType<typeof parseNpy>
    try {
      tensor = parseNpy(bytes)
    } catch (cause) {
      throw new BitfleetError('format', `${at}: ${file}: ${messageOf(cause)}`, { cause })
    }
    const actual = digestOf(tensor.bytes)
    if (actual !== digest) {
      throw new BitfleetError(
        'digest-mismatch',
        `${at}: the payload of ${file} has the digest ${actual}, the plan pins ${digest}; correct whichever is wrong`,
      )
    }
    const array: PlanArray = { digest: actual, dtype: tensor.dtype, shape: [...tensor.shape], file }
    if (!refersTo(planned, array)) {
      throw new BitfleetError(
        'digest-mismatch',
        `${at}: ${file} holds ${array.dtype}[${array.shape}], the plan pins ${described(planned)}; correct whichever is wrong`,
      )
    }
    inputs.set(JSON.stringify([file, arrayKey(array)]), array)
    payloads.set(actual, tensor.bytes)
  }
  const arrays = [...inputs.values()]
  pinArrays(plan, arrays)
  return { inputs: arrays, payloads }
}

function described({ dtype, shape }: PlannedInput): string {
  return `${dtype ?? 'any dtype'}[${shape ?? 'any shape'}]`
}

/**
 * Finds the array behind each name in a plan. If two arrays of a plan have equal bytes and differ in dtype or shape,
 * their names get both, so that a later reader of the parameters cannot confuse them. All other parameters
 * stay as they were written.
 *
 * @param arrays that came with the plan
 * @throws `usage` for an array that did not come along, could be several of them, or does not fit its workload
 */
export function pinArrays(plan: Plan, arrays: readonly PlanArray[]): { plan: Plan; inputs: JobInput[] } {
  const meant = new Map(plan.inputs.map((planned) => [nameOf(planned), meantBy(planned, arrays)]))
  const inputs = distinctArrays([...meant.values()])
  const digests = inputs.map(({ digest }) => digest)
  const shared = new Set(digests.filter((digest, i) => digests.indexOf(digest) !== i))
  const pin = (value: unknown) => {
    const array = meant.get(nameOf(value))
    return array && shared.has(array.digest)
      ? { ...(value as object), dtype: array.dtype, shape: [...array.shape] }
      : value
  }
  const workloads = plan.workloads.map((workload) => ({
    ...workload,
    params: Object.fromEntries(Object.entries(workload.params).map(([name, value]) => [name, pin(value)])),
  }))
  for (const workload of workloads) checkFit(workload, inputs)
  return { plan: { ...plan, workloads }, inputs }
}

/** @throws `usage` for arrays that do not fit the parameters or each other */
function checkFit({ id, params, at }: PlannedWorkload, inputs: readonly JobInput[]): void {
  const description = findDescription(id)
  if (!description?.schema || !Object.values(params).some((value) => nameOf(value) !== '')) return
  try {
    description.schema(params, inputs)
  } catch (cause) {
    throw new BitfleetError('usage', `${at}: ${messageOf(cause)}`, { cause })
  }
}

function meantBy(planned: PlannedInput, arrays: readonly PlanArray[]): JobInput {
  const { file, at } = planned
  const found = arrays.filter((array) => refersTo(planned, array))
  const named = found.filter((array) => array.file === file)
  const [array, other] = distinctArrays(named.length > 0 ? named : found)
  if (!array) throw new BitfleetError('usage', `${at}: dtype and shape of ${file} were not sent along with the plan`)
  if (other) {
    throw new BitfleetError(
      'usage',
      `${at}: ${file} may be ${array.dtype}[${array.shape}] or ${other.dtype}[${other.shape}], which have the same ` +
        'bytes; give its dtype and shape in the plan',
    )
  }
  const { digest, dtype, shape } = array
  return { digest, dtype, shape }
}

/** Equal for parameters and planned inputs that name one array. */
function nameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return ''
  const { file, digest, dtype, shape } = value as Partial<PlannedInput>
  return JSON.stringify([file, digest, dtype, shape])
}
