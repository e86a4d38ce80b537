import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import type { Output } from '../../shared/execution.ts'
import { bitsHex, dtypeBytes, elementCount } from '../../shared/tensor.ts'
import { createTrace, type Trace } from '../../shared/trace.ts'
import type { RunnerEvent } from '../runner/protocol.ts'
import type { ArtifactCache } from './artifact-cache.ts'

type CheckpointEvent = Extract<RunnerEvent, { type: 'checkpoint' }>

/** Elements up to which an output's bits stand in the result. */
const smallOutput = 16

export interface Collected {
  readonly trace: Trace
  readonly outputs: readonly Output[]
  /** Positions in the trace of what has the role `input`, ascending. */
  readonly inputs: readonly number[]
  readonly kept: readonly { readonly digest: Digest; readonly length: number }[]
  /** Checkpoints whose bytes the runner did not keep. */
  readonly leftOut: number
}

/**
 * Makes a runner's checkpoints into a trace, and moves the tensors it left into the cache once their digests are found
 * to be true.
 *
 * @throws `digest-mismatch` where bytes do not have the digest the runner claimed, `protocol` where a file is not what
 *   was announced or the numbering has a gap
 */
export async function collectCheckpoints(
  events: readonly RunnerEvent[],
  folder: string,
  cache: ArtifactCache,
): Promise<Collected> {
  const checkpoints = events.filter((event) => event.type === 'checkpoint')
  if (checkpoints.length === 0) throw new BitfleetError('protocol', 'the runner finished without a checkpoint')
  const trace = createTrace(
    checkpoints.map(({ seq, step, name, dtype, shape, digest }) => ({ seq, step, name, dtype, shape, digest })),
  )
  // All are checked before any is kept: one false digest and nothing of this runner is believed.
  const small = new Map<CheckpointEvent, string[]>()
  for (const checkpoint of checkpoints) {
    if (checkpoint.file === undefined) continue
    const bytes = await readChecked(checkpoint, join(folder, checkpoint.file))
    if (checkpoint.role === 'output' && elementCount(checkpoint.shape) <= smallOutput) {
      small.set(checkpoint, bitsHex({ dtype: checkpoint.dtype, shape: checkpoint.shape, bytes }))
    }
  }
  const kept = new Map<Digest, number>()
  for (const { file, digest, dtype, shape } of checkpoints) {
    if (file === undefined || kept.has(digest)) continue
    const length = elementCount(shape) * dtypeBytes[dtype]
    await cache.adopt(join(folder, file), digest, length)
    kept.set(digest, length)
  }
  // Of a program that calls the same thing an output at every step, the last is the final one.
  const last = new Map(checkpoints.map((checkpoint) => [checkpoint.name, checkpoint]))
  const outputs = checkpoints
    .filter((checkpoint) => checkpoint.role === 'output' && last.get(checkpoint.name) === checkpoint)
    .map((checkpoint): Output => {
      const { name, dtype, shape, digest } = checkpoint
      return { name, dtype, shape, digest, bits: small.get(checkpoint) }
    })
  const inputs = checkpoints.filter(({ role }) => role === 'input').map(({ seq }) => seq)
  const tensors = [...kept].map(([digest, length]) => ({ digest, length }))
  return { trace, outputs, inputs, kept: tensors, leftOut: checkpoints.filter(({ file }) => file === undefined).length }
}

/** The bytes of a checkpoint's file, of the length and digest that were announced. Follows no link. */
async function readChecked({ name, step, dtype, shape, digest }: CheckpointEvent, path: string): Promise<Uint8Array> {
  const expected = elementCount(shape) * dtypeBytes[dtype]
  const what = `checkpoint ${name} at step ${step}`
  let bytes: Uint8Array
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stat = await file.stat()
      if (!stat.isFile() || stat.size !== expected) {
        throw new BitfleetError('protocol', `${what} should be a file of ${expected} bytes; it has ${stat.size}`)
      }
      bytes = new Uint8Array(await file.readFile())
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof BitfleetError) throw error
    throw new BitfleetError('protocol', `${what}: the runner left no file for it (${messageOf(error)})`, {
      cause: error,
    })
  }
  const actual = digestOf(bytes)
  if (actual !== digest) {
    throw new BitfleetError('digest-mismatch', `${what}: the runner claims ${digest}, its bytes have ${actual}`)
  }
  return bytes
}
