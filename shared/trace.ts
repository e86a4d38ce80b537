import { canonicalJson } from './canonical-json.ts'
import { type Digest, digestPattern, sha256Hex } from './digest.ts'
import { BitfleetError } from './errors.ts'
import { type DType, dtypes } from './tensor.ts'
import { decodeUtf8 } from './utf8.ts'

/** One tensor at one point of an execution. */
export interface Checkpoint {
  readonly seq: number
  readonly step: number
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly digest: Digest
}

/**
 * The ordered checkpoints of one execution; no clock, no host, nothing but bits. `prefixes[i]` is the hex of
 * Pᵢ = sha256( hex(Pᵢ₋₁) ‖ line ‖ LF ) with P₋₁ the empty string; the last one is the trace digest.
 */
export interface Trace {
  readonly checkpoints: readonly Checkpoint[]
  readonly prefixes: readonly string[]
  /** Bare hex; for the trace of no checkpoints, the empty string. */
  readonly digest: string
}

/** A checkpoint's canonical line, without its LF. */
export function checkpointLine({ seq, step, name, dtype, shape, digest }: Checkpoint): string {
  return canonicalJson({ seq, step, name, dtype, shape, digest })
}

/** P of a line that follows the prefix `previous` (hex, or the empty string before the first). */
export function nextPrefix(previous: string, line: string): string {
  return sha256Hex(previous, line, '\n')
}

export function createTrace(checkpoints: readonly Checkpoint[]): Trace {
  const prefixes: string[] = []
  let prefix = ''
  checkpoints.forEach((checkpoint, i) => {
    if (checkpoint.seq !== i) {
      throw new BitfleetError('format', `trace: checkpoint ${i} ("${checkpoint.name}") carries seq ${checkpoint.seq}`)
    }
    prefix = nextPrefix(prefix, checkpointLine(checkpoint))
    prefixes.push(prefix)
  })
  return { checkpoints, prefixes, digest: prefix }
}

/** The file form: one canonical line a checkpoint, each ended by LF. */
export function formatTrace(trace: Trace): string {
  return trace.checkpoints.map((checkpoint) => `${checkpointLine(checkpoint)}\n`).join('')
}

/**
 * Reads the file form and recomputes every prefix digest.
 *
 * @throws `format` if a line is not a checkpoint in canonical form, or the numbering has a gap.
 */
export function parseTrace(text: string): Trace {
  if (text !== '' && !text.endsWith('\n')) throw new BitfleetError('format', 'trace: the last line has no end')
  const lines = text === '' ? [] : text.slice(0, -1).split('\n')
  return createTrace(lines.map(parseLine))
}

/**
 * As `parseTrace`, of a file's bytes: names of other bytes stay other names.
 *
 * @throws `format` also for bytes that are not UTF-8
 */
export function parseTraceBytes(bytes: Uint8Array): Trace {
  let text: string
  try {
    text = decodeUtf8(bytes)
  } catch (cause) {
    throw new BitfleetError('format', 'trace: it is not UTF-8', { cause })
  }
  return parseTrace(text)
}

/** The digest of a trace in its file form, whatever its lines say: that of no trace where it is none. */
export function digestOfLines(bytes: Uint8Array): string {
  let prefix = ''
  for (let at = 0; at < bytes.length; ) {
    const feed = bytes.indexOf(10, at)
    const end = feed === -1 ? bytes.length : feed + 1
    prefix = sha256Hex(prefix, bytes.subarray(at, end))
    at = end
  }
  return prefix
}

function parseLine(line: string, i: number): Checkpoint {
  let value: Checkpoint
  try {
    value = JSON.parse(line) as Checkpoint
  } catch (cause) {
    throw new BitfleetError('format', `trace: line ${i + 1} is not JSON`, { cause })
  }
  const whole = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0
  const sound =
    typeof value === 'object' &&
    value !== null &&
    whole(value.seq) &&
    whole(value.step) &&
    typeof value.name === 'string' &&
    dtypes.includes(value.dtype) &&
    Array.isArray(value.shape) &&
    value.shape.every(whole) &&
    digestPattern.test(value.digest)
  if (!sound || checkpointLine(value) !== line) {
    throw new BitfleetError('format', `trace: line ${i + 1} is not a canonical checkpoint`)
  }
  return value
}
