import { type Digest, digestOf } from '../../shared/digest.ts'
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
 * Reads tensors by digest; what came back is digested again, so that bytes of another tensor are never compared.
 * Small outputs that travelled with their bit patterns need no bytes.
 */
export function createTensorReader(artifacts: Artifacts, outputs: readonly Output[]): TensorReader {
  const withBits = new Map(outputs.flatMap((output) => (output.bits ? [[output.digest, output.bits] as const] : [])))
  return async ({ dtype, shape, digest }) => {
    const bytes = (await artifacts.tensor(digest)) ?? bytesOfBits(dtype, shape, withBits.get(digest))
    if (bytes === undefined) return { missing: `the bytes of ${digest} were not kept` }
    if (digestOf(bytes) !== digest) return { missing: `the bytes kept as ${digest} do not have that digest` }
    try {
      return createTensor(dtype, shape, bytes)
    } catch {
      return { missing: `the ${bytes.byteLength} bytes of ${digest} are not a tensor ${dtype}[${shape.join(', ')}]` }
    }
  }
}

function bytesOfBits(
  dtype: DType,
  shape: readonly number[],
  bits: readonly string[] | undefined,
): Uint8Array | undefined {
  if (bits === undefined) return undefined
  try {
    return tensorFromBits(dtype, shape, bits).bytes
  } catch {
    return undefined
  }
}
