import { join } from 'node:path'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { formatNpy, npyFileName } from '../../shared/npy.ts'
import { type DType, createTensor, dtypeBytes, elementCount } from '../../shared/tensor.ts'
import { type Trace, parseTrace } from '../../shared/trace.ts'
import type { Artifacts } from '../records.ts'
import type { Divergence, Report } from './format.ts'
import { writeWhole } from './whole-file.ts'

/** A checkpoint's tensor in the export; equal tensors share one file. */
export interface ExportedTensor {
  readonly digest: Digest
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Path below `artifacts/`; null if the bytes were not kept or do not fit dtype and shape. */
  readonly file: string | null
  /** A cell that produced it: of cells with equal traces, the first. */
  readonly cell: string
  readonly trace: string
  readonly checkpoint: { readonly seq: number; readonly step: number; readonly name: string }
}

export interface ExportSummary {
  /** `.npy` files written. */
  readonly written: number
  /** Tensors whose bytes were not kept. */
  readonly missing: number
  readonly traces: number
}

/**
 * Exports tensors as `.npy` below `dir/artifacts/`, traces as `dir/traces/DIGEST.jsonl`, and `artifacts/index.json`,
 * which says what each file is. `outputs`: the final tensors, and those of the checkpoints where classes part; `all`:
 * every checkpoint whose bytes were kept. Every payload is digested before it is written.
 *
 * @throws `digest-mismatch` where the bytes or the trace are not what the report says
 */
export async function exportArtifacts(
  report: Report,
  artifacts: Artifacts,
  dir: string,
  which: 'outputs' | 'all',
): Promise<ExportSummary> {
  const wanted = which === 'all' ? undefined : digestsOfInterest(report)
  const index = new Map<string, ExportedTensor>()
  const files = new Map<string, string | null>()
  const seen = new Set<string>()
  let traces = 0
  for (const { id, traces: own } of report.cells) {
    for (const digest of own) {
      if (digest === null || seen.has(digest)) continue
      seen.add(digest)
      const trace = await readTrace(artifacts, digest)
      if (!trace) continue
      traces++
      await writeWhole(join(dir, 'traces', `${digest}.jsonl`), trace.text)
      for (const { seq, step, name, dtype, shape, digest: tensor } of trace.parsed.checkpoints) {
        if (wanted && !wanted.has(tensor)) continue
        const key = JSON.stringify([tensor, dtype, shape])
        let file = files.get(key)
        if (file === undefined) {
          const bytes = await artifacts.tensor(tensor)
          if (bytes && digestOf(bytes) !== tensor) {
            throw new BitfleetError(
              'digest-mismatch',
              `${name} of ${id}: the store's bytes have ${digestOf(bytes)}, the trace says ${tensor}`,
            )
          }
          // Of a trace that says another size than its bytes have, the other tensors are exported all the same.
          const fits = bytes?.byteLength === elementCount(shape) * dtypeBytes[dtype]
          file = fits ? tensorFileName(name, dtype, shape, tensor) : null
          files.set(key, file)
          if (bytes && file)
            await writeWhole(join(dir, 'artifacts', file), formatNpy(createTensor(dtype, shape, bytes)))
        }
        index.set(`${digest} ${seq}`, {
          digest: tensor,
          dtype,
          shape,
          file,
          cell: id,
          trace: digest,
          checkpoint: { seq, step, name },
        })
      }
    }
  }
  const entries = [...index.values()]
  await writeWhole(
    join(dir, 'artifacts', 'index.json'),
    `${JSON.stringify({ schema: 'bitfleet/artifacts@1', tensors: entries }, null, 2)}\n`,
  )
  const kept = [...files.values()]
  return {
    written: kept.filter((file) => file !== null).length,
    missing: kept.filter((file) => file === null).length,
    traces,
  }
}

async function readTrace(artifacts: Artifacts, digest: string): Promise<{ text: string; parsed: Trace } | undefined> {
  const text = await artifacts.trace(digest)
  if (text === undefined) return undefined
  const parsed = parseTrace(text)
  if (parsed.digest !== digest) {
    throw new BitfleetError('digest-mismatch', `trace ${digest}: the store's lines have digest ${parsed.digest}`)
  }
  return { text, parsed }
}

function digestsOfInterest(report: Report): Set<Digest> {
  const digests = new Set<Digest>()
  const take = (divergence: Divergence | null) => {
    divergence?.digests.forEach((digest) => digest && digests.add(digest))
    divergence?.outputs.forEach((output) => output.digests.forEach((digest) => digest && digests.add(digest)))
  }
  for (const { outputs } of report.cells) outputs.forEach(({ digest }) => digests.add(digest))
  for (const { divergences, nondeterministic } of report.comparisons) {
    divergences.forEach(take)
    for (const { divergence, first } of nondeterministic) {
      take(divergence)
      first?.digests.forEach((digest) => digest && digests.add(digest))
    }
  }
  return digests
}

/** The export's name for a tensor: told by what it is, and safe on any file system whatever a checkpoint is called. */
export function tensorFileName(name: string, dtype: DType, shape: readonly number[], digest: Digest): string {
  const safe =
    name
      .replace(/[^A-Za-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 60) || 'tensor'
  const whole = shape.length === 0 ? 'scalar' : shape.join('x')
  // Two shapes of one tensor's bytes must not share a file.
  const extents = whole.length <= 40 ? whole : `${whole.slice(0, 30)}-${digestOf(whole).slice(7, 15)}`
  return npyFileName(`${safe}-${dtype}-${extents}-${digest.slice(7, 31)}`, dtype)
}
