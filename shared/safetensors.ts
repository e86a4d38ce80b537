import { duplicateKey } from './duplicate-key.ts'
import { BitfleetError } from './errors.ts'
import { type DType, type Tensor, createTensor, dtypeBytes, elementCount } from './tensor.ts'
import { decodeUtf8 } from './utf8.ts'

/**
 * The safetensors format: 8 bytes little-endian length, a JSON header, then the tensors' bytes, without holes.
 *
 * @see https://github.com/huggingface/safetensors, README "Format"
 */
const maxHeaderBytes = 16 << 20

/** In the order in which the reference implementation writes tensors: by alignment, the widest first. */
const names: Record<DType, string> = {
  u64: 'U64',
  i64: 'I64',
  f64: 'F64',
  f32: 'F32',
  u32: 'U32',
  i32: 'I32',
  bf16: 'BF16',
  f16: 'F16',
  u16: 'U16',
  i16: 'I16',
  i8: 'I8',
  u8: 'U8',
  bool: 'BOOL',
}
const dtypeOrder = Object.keys(names) as DType[]
const dtypeByName = new Map(dtypeOrder.map((dtype) => [names[dtype], dtype]))

interface Entry {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

/**
 * Tensors by name, in the order of their bytes, not copied.
 *
 * @throws `format` if the header is malformed, has a name twice or is over its bound, a dtype is unknown, or the tensors' ranges do not
 * cover the rest of the file exactly: overlaps, holes and trailing bytes are refused
 */
export function parseSafetensors(bytes: Uint8Array): Map<string, Tensor> {
  if (bytes.length < 8) throw refusal('it is shorter than its header’s length field')
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
  if (length > maxHeaderBytes) throw refusal(`its header claims ${length} bytes, over the bound of ${maxHeaderBytes}`)
  const start = 8 + Number(length)
  if (start > bytes.length) throw refusal('it ends inside its header')
  const payload = bytes.subarray(start)
  const entries = parseHeader(bytes.subarray(8, start)).sort((a, b) => a.begin - b.begin || a.end - b.end)
  const tensors = new Map<string, Tensor>()
  let covered = 0
  for (const { name, dtype, shape, begin, end } of entries) {
    if (begin !== covered) {
      throw refusal(
        `tensor "${name}" begins at byte ${begin} where ${covered} was due: ranges must neither overlap nor leave holes`,
      )
    }
    if (end > payload.length) throw refusal(`tensor "${name}" ends at byte ${end} of ${payload.length}`)
    if (end - begin !== elementCount(shape) * dtypeBytes[dtype]) {
      throw refusal(`tensor "${name}" ${dtype}[${shape}] does not take ${end - begin} bytes`)
    }
    tensors.set(name, createTensor(dtype, shape, payload.subarray(begin, end)))
    covered = end
  }
  if (covered !== payload.length) throw refusal(`${payload.length - covered} bytes belong to no tensor`)
  return tensors
}

/**
 * The file of these tensors: same tensors and metadata, same bytes, whatever the order they came in.
 *
 * @throws `usage` if two tensors have one name
 */
export function formatSafetensors(
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(
    ([a, left], [b, right]) =>
      dtypeOrder.indexOf(left.dtype) - dtypeOrder.indexOf(right.dtype) ||
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )
  const items: string[] = []
  const keys = Object.keys(metadata).sort()
  if (keys.length > 0) {
    items.push(`"__metadata__":{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)}}`)
  }
  const seen = new Set(['__metadata__'])
  let at = 0
  for (const [name, { dtype, shape, bytes }] of sorted) {
    if (seen.has(name)) throw new BitfleetError('usage', `safetensors: two tensors are named "${name}"`)
    seen.add(name)
    const end = at + bytes.byteLength
    items.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: names[dtype], shape, data_offsets: [at, end] })}`)
    at = end
  }
  const json = Buffer.from(`{${items.join(',')}}`)
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  return Buffer.concat([header, ...sorted.map(([, tensor]) => tensor.bytes)])
}

function refusal(fact: string): BitfleetError {
  return new BitfleetError('format', `not a .safetensors file Bitfleet can read: ${fact}`)
}

function parseHeader(bytes: Uint8Array): Entry[] {
  let text: string
  let header: unknown
  try {
    text = decodeUtf8(bytes)
    header = JSON.parse(text)
  } catch (cause) {
    throw new BitfleetError('format', 'not a .safetensors file Bitfleet can read: its header is not JSON', { cause })
  }
  if (!isRecord(header)) throw refusal('its header is not an object')
  const twice = duplicateKey(text)
  if (twice !== undefined) throw refusal(`its header has the name "${twice}" twice`)
  return Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => parseEntry(name, value))
}

function parseEntry(name: string, value: unknown): Entry {
  if (!isRecord(value)) throw refusal(`tensor "${name}" is not described by an object`)
  const { dtype: dtypeName, shape, data_offsets: offsets } = value
  // Not whatever it is as text: of hostile JSON that has no end, or no text.
  const dtype = typeof dtypeName === 'string' ? dtypeByName.get(dtypeName) : undefined
  if (dtype === undefined) {
    const said = typeof dtypeName === 'string' ? dtypeName.slice(0, 40) : 'that is no text'
    throw refusal(`tensor "${name}" has dtype ${said}; known: ${[...dtypeByName.keys()].join(' ')}`)
  }
  if (!isWholeNumbers(shape) || shape.length > 64) throw refusal(`tensor "${name}" has no proper shape`)
  if (!isWholeNumbers(offsets) || offsets.length !== 2) throw refusal(`tensor "${name}" has no proper data_offsets`)
  return { name, dtype, shape, begin: offsets[0] as number, end: offsets[1] as number }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}
