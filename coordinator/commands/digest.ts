import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { parseNpy } from '../../shared/npy.ts'
import { parseNpz } from '../../shared/npz.ts'
import { parseSafetensors } from '../../shared/safetensors.ts'
import type { Tensor } from '../../shared/tensor.ts'
import { visibleLine } from '../../shared/visible.ts'

/** Unpacked; Node holds no more in one buffer. */
const maxNpzBytes = 2 ** 31 - 1

/** `bitfleet digest`: the digests that plans pin and reports print, of the payload and not of the file. */
export async function printDigests(files: readonly string[], { json }: { json?: boolean }): Promise<number> {
  const rows = []
  for (const file of files) {
    const bytes = await readFile(file).catch((cause: unknown) => {
      throw new BitfleetError('not-found', `cannot read ${file}: ${messageOf(cause)}`, { cause })
    })
    for (const [name, { dtype, shape, bytes: payload }] of tensorsIn(file, bytes)) {
      rows.push({ file, name, dtype, shape, digest: digestOf(payload) })
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
  return 0
}

function tensorsIn(file: string, bytes: Uint8Array): Iterable<[string | undefined, Tensor]> {
  if (file.endsWith('.safetensors')) return parseSafetensors(bytes)
  if (file.endsWith('.npz')) return parseNpz(bytes, maxNpzBytes)
  return [[undefined, parseNpy(bytes, basename(file))]]
}
