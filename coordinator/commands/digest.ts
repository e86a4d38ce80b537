import { basename } from 'node:path'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError, isBitfleetError } from '../../shared/errors.ts'
import { maxReadBytes, readNamedFile } from '../../shared/named-file.ts'
import { parseNpy } from '../../shared/npy.ts'
import { parseNpz } from '../../shared/npz.ts'
import { parseSafetensors } from '../../shared/safetensors.ts'
import type { DType, Tensor } from '../../shared/tensor.ts'
import { visibleLine } from '../../shared/visible.ts'

/**
 * `bitfleet digest`: the digests that plans pin and reports print, of the payload and not of the file. Those of good
 * files are printed also if another is not; the first error, which names its file, is thrown then.
 */
export async function printDigests(files: readonly string[], { json }: { json?: boolean }): Promise<number> {
  const rows: { file: string; name: string | undefined; dtype: DType; shape: readonly number[]; digest: Digest }[] = []
  const errors: BitfleetError[] = []
  for (const file of files) {
    try {
      for (const [name, { dtype, shape, bytes }] of tensorsIn(file, await readNamedFile(file))) {
        rows.push({ file, name, dtype, shape, digest: digestOf(bytes) })
      }
    } catch (error) {
      if (!isBitfleetError(error)) throw error
      const named = error.message.includes(file)
      errors.push(named ? error : new BitfleetError(error.code, `${file}: ${error.message}`, { cause: error }))
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
  else {
    for (const { file, name, dtype, shape, digest } of rows) {
      process.stdout.write(
        `${digest}  ${dtype}[${shape}]  ${visibleLine(name === undefined ? file : `${file}:${name}`)}\n`,
      )
    }
  }
  const [first, ...others] = errors
  if (first === undefined) return 0
  // The first is thrown, and printed where it is caught.
  for (const { message } of others) process.stderr.write(`${visibleLine(message)}\n`)
  throw first
}

function tensorsIn(file: string, bytes: Uint8Array): Iterable<[string | undefined, Tensor]> {
  if (file.endsWith('.safetensors')) return parseSafetensors(bytes)
  if (file.endsWith('.npz')) return parseNpz(bytes, maxReadBytes)
  return [[undefined, parseNpy(bytes, basename(file))]]
}
