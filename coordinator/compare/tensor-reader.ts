import { type Digest, digestOf } from '../../shared/digest.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Output } from '../../shared/execution.ts'
import { createTensor, type DType, type Tensor, tensorFromBits } from '../../shared/tensor.ts'
import type { Artifacts } from '../records.ts'

export interface TensorPlace {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly digest: Digest
}

/** The tensor, or why there is none. */
export type TensorReader = (place: TensorPlace) => Promise<Tensor | { readonly missing: string }>

/**
 * Reads tensors by digest; what came back is digested again, so that bytes of another tensor are never compared. Small
 * outputs that travelled with their bit patterns need no bytes. Each place is read with its own dtype and shape, even if
 * another array has the same bytes.
 */
export function createTensorReader(artifacts: Artifacts, outputs: readonly Output[]): TensorReader {
  const withBits = outputs.filter(({ bits }) => bits !== undefined)
  return async ({ dtype, shape, digest }) => {
    let bytes: Uint8Array | undefined
    try {
      bytes = await artifacts.tensor(digest)
    } catch (error) {
      return { missing: `the bytes of ${digest} cannot be read: ${messageOf(error)}` }
    }
    bytes ??= bytesOfBits(withBits.filter((output) => output.digest === digest))
    if (bytes === undefined) return { missing: `the bytes of ${digest} were not kept` }
    if (digestOf(bytes) !== digest) return { missing: `the bytes kept as ${digest} do not have that digest` }
    try {
      return createTensor(dtype, shape, bytes)
    } catch {
      return { missing: `the ${bytes.byteLength} bytes of ${digest} are not a tensor ${dtype}[${shape.join(', ')}]` }
    }
  }
}

/** The bytes of the first output whose bits make a tensor of its own dtype and shape. */
function bytesOfBits(outputs: readonly Output[]): Uint8Array | undefined {
  for (const { dtype, shape, bits = [] } of outputs) {
    try {
      return tensorFromBits(dtype, shape, bits).bytes
    } catch {}
  }
  return undefined
}
