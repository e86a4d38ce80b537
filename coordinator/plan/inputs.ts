import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import type { JobInput } from '../../shared/messages.ts'
import { parseNpy } from '../../shared/npy.ts'
import type { Plan } from './plan.ts'

/**
 * Reads the users' own arrays that a plan names.
 *
 * @param folder of the plan file; the plan's paths are relative to it
 * @returns dtype and shape of each for the coordinator, and the payloads by digest
 * @throws `not-found`, `format`, or `digest-mismatch` where a file is not what the plan pins
 */
export async function collectInputs(
  plan: Plan,
  folder: string,
): Promise<{ inputs: JobInput[]; payloads: Map<Digest, Uint8Array> }> {
  const inputs = new Map<Digest, JobInput>()
  const payloads = new Map<Digest, Uint8Array>()
  for (const { file, digest, at } of plan.inputs) {
    const path = resolve(folder, file)
    const bytes = await readFile(path).catch((cause: unknown) => {
      throw new BitfleetError('not-found', `${at}: cannot read ${file}: ${messageOf(cause)}`, { cause })
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
    inputs.set(actual, { digest: actual, dtype: tensor.dtype, shape: [...tensor.shape] })
    payloads.set(actual, tensor.bytes)
  }
  return { inputs: [...inputs.values()], payloads }
}
