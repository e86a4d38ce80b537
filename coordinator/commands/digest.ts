import { readFile } from 'node:fs/promises'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { parseNpy } from '../../shared/npy.ts'
import { parseSafetensors } from '../../shared/safetensors.ts'
import type { Tensor } from '../../shared/tensor.ts'

/** `bitfleet digest`: the digests that plans pin and reports print, of the payload and not of the file. */
export async function printDigests(files: readonly string[], { json }: { json?: boolean }): Promise<number> {
  const rows = []
  for (const file of files) {
    const bytes = await readFile(file).catch((cause: unknown) => {
      throw new BitfleetError('not-found', `cannot read ${file}: ${messageOf(cause)}`, { cause })
    })
    const tensors: Iterable<[string | undefined, Tensor]> = file.endsWith('.safetensors')
      ? parseSafetensors(bytes)
      : [[undefined, parseNpy(bytes)]]
    for (const [name, { dtype, shape, bytes: payload }] of tensors) {
      rows.push({ file, name, dtype, shape, digest: digestOf(payload) })
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
  else {
    for (const { file, name, dtype, shape, digest } of rows) {
      process.stdout.write(`${digest}  ${dtype}[${shape}]  ${name === undefined ? file : `${file}:${name}`}\n`)
    }
  }
  return 0
}
