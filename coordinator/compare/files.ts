import { basename } from 'node:path'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError, isBitfleetError } from '../../shared/errors.ts'
import { checkNamedFile, maxReadBytes, readNamedFile } from '../../shared/named-file.ts'
import { parseNpy } from '../../shared/npy.ts'
import { parseNpz } from '../../shared/npz.ts'
import { parseSafetensors } from '../../shared/safetensors.ts'
import type { Tensor } from '../../shared/tensor.ts'
import { type Checkpoint, type Trace, parseTraceBytes } from '../../shared/trace.ts'
import { type TensorComparison, compareTensors } from './elements.ts'
import { firstDivergence } from './prefix-tree.ts'

/** What can be compared: tensors by name (a lone one is named by the empty text), or a trace. */
export type ComparisonSource =
  | { readonly kind: 'tensors'; readonly tensors: ReadonlyMap<string, Tensor> }
  | {
      readonly kind: 'trace'
      readonly trace: Trace
      /** What a reader must know of this side. */
      readonly note?: string
    }

export interface NamedComparison extends TensorComparison {
  readonly name: string
  readonly dtype: Tensor['dtype']
  readonly shape: readonly number[]
  readonly digests: readonly [Digest, Digest]
}

/** `equal` is null if both sides are empty: nothing was compared. */
export type FileComparison =
  | { readonly kind: 'tensors'; readonly equal: boolean | null; readonly tensors: readonly NamedComparison[] }
  | {
      readonly kind: 'trace'
      readonly equal: boolean | null
      /** Trace digests, bare hex. */
      readonly digests: readonly [string, string]
      readonly checkpoints: readonly [number, number]
      /** The first checkpoint that differs; null on the side whose trace has ended there. */
      readonly divergence: {
        readonly position: number
        /** Comparisons of prefix digests that found it. */
        readonly comparisons: number
        readonly a: Checkpoint | null
        readonly b: Checkpoint | null
      } | null
      readonly notes: readonly string[]
    }

/**
 * Compares two files bit by bit: `.npy`, `.npz` and `.safetensors` (tensors by name), or traces (`.jsonl`, `.trace`).
 *
 * @throws `usage` where kinds, names, dtypes or shapes differ or a kind is unknown, `not-found` and `limit` of a file,
 * `format` for bytes that are not what the name says
 */
export async function compareFiles(pathA: string, pathB: string): Promise<FileComparison> {
  return compareSources(await readSource(pathA), await readSource(pathB))
}

/** Reads one side. The name's ending says what it is. */
export async function readSource(path: string): Promise<ComparisonSource> {
  const parse = parsers.find(([ending]) => path.endsWith(ending))?.[1]
  if (parse === undefined) {
    await checkNamedFile(path)
    throw new BitfleetError('usage', `${path} is of no known kind: give .npy, .npz, .safetensors, .jsonl or .trace`)
  }
  const bytes = await readNamedFile(path)
  try {
    return parse(bytes, path)
  } catch (error) {
    if (isBitfleetError(error)) throw new BitfleetError(error.code, `${path}: ${error.message}`, { cause: error })
    throw error
  }
}

const asTrace = (bytes: Uint8Array): ComparisonSource => ({
  kind: 'trace',
  trace: parseTraceBytes(bytes),
})

const parsers: [ending: string, (bytes: Uint8Array, path: string) => ComparisonSource][] = [
  ['.npy', (bytes, path) => ({ kind: 'tensors', tensors: new Map([['', parseNpy(bytes, basename(path))]]) })],
  ['.npz', (bytes) => ({ kind: 'tensors', tensors: parseNpz(bytes, maxReadBytes) })],
  ['.safetensors', (bytes) => ({ kind: 'tensors', tensors: parseSafetensors(bytes) })],
  ['.jsonl', asTrace],
  ['.trace', asTrace],
]

/** @throws `usage` where kinds, names, dtypes or shapes differ */
export function compareSources(a: ComparisonSource, b: ComparisonSource): FileComparison {
  if (a.kind === 'trace' && b.kind === 'trace') return compareTraces(a, b)
  if (a.kind === 'tensors' && b.kind === 'tensors') return compareNamed(a.tensors, b.tensors)
  throw new BitfleetError('usage', 'a trace and tensors cannot be compared: give two of one kind')
}

type TraceSource = Extract<ComparisonSource, { kind: 'trace' }>

function compareTraces({ trace: a, note: noteA }: TraceSource, { trace: b, note: noteB }: TraceSource): FileComparison {
  const { position, comparisons } = firstDivergence(a, b)
  const equal = a.digest === b.digest
  const divergence = {
    position,
    comparisons,
    a: a.checkpoints[position] ?? null,
    b: b.checkpoints[position] ?? null,
  }
  return {
    kind: 'trace',
    equal: a.checkpoints.length + b.checkpoints.length === 0 ? null : equal,
    digests: [a.digest, b.digest],
    checkpoints: [a.checkpoints.length, b.checkpoints.length],
    divergence: equal ? null : divergence,
    notes: [noteA, noteB].filter((note) => note !== undefined),
  }
}

function compareNamed(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): FileComparison {
  const lone = [...a.keys()].filter((name) => !b.has(name)).concat([...b.keys()].filter((name) => !a.has(name)))
  if (lone.length > 0) {
    const names = lone.slice(0, 5).map((name) => (name === '' ? 'an array without a name' : `"${name}"`))
    const more = lone.length > 5 ? ` and ${lone.length - 5} more` : ''
    throw new BitfleetError('usage', `only one side has ${names.join(', ')}${more}: names must be the same on both`)
  }
  const tensors = [...a].map(([name, left]): NamedComparison => {
    const right = b.get(name) as Tensor
    return {
      name,
      ...compareOne(name, left, right),
      dtype: left.dtype,
      shape: left.shape,
      digests: digestsOf(left, right),
    }
  })
  return { kind: 'tensors', equal: tensors.length === 0 ? null : tensors.every(({ equal }) => equal), tensors }
}

function compareOne(name: string, a: Tensor, b: Tensor): TensorComparison {
  try {
    return compareTensors(a, b)
  } catch (error) {
    if (name === '' || !isBitfleetError(error)) throw error
    throw new BitfleetError(error.code, `tensor "${name}": ${error.message}`, { cause: error })
  }
}

function digestsOf(a: Tensor, b: Tensor): [Digest, Digest] {
  return [digestOf(a.bytes), digestOf(b.bytes)]
}
