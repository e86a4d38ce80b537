import { BitfleetError } from './errors.ts'
import { type DType, type Tensor, createTensor, dtypeBytes, elementCount } from './tensor.ts'

/**
 * The NumPy array format.
 *
 * @see numpy/lib/format.py (NEP 1), versions 1.0, 2.0 and 3.0
 */
export interface NpyHeader {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Where the payload begins, in bytes from the start of the file. */
  readonly dataOffset: number
  readonly payloadBytes: number
  readonly bigEndian: boolean
  readonly fortranOrder: boolean
}

/** A header longer than this is refused; only structured dtypes, which no tensor has, need more. */
const maxHeaderBytes = 0xffff
const alignment = 64
/** Room that numpy leaves in the header for the first extent to grow. */
const growthDigits = 21

const typeCodes: Record<DType, string> = {
  bool: '|b1',
  u8: '|u1',
  i8: '|i1',
  u16: '<u2',
  i16: '<i2',
  u32: '<u4',
  i32: '<i4',
  u64: '<u8',
  i64: '<i8',
  f16: '<f2',
  bf16: '<u2',
  f32: '<f4',
  f64: '<f8',
}
const dtypeByCode = new Map<string, DType>(
  Object.entries(typeCodes)
    .filter(([dtype]) => dtype !== 'bf16')
    .map(([dtype, code]) => [code.slice(1), dtype as DType]),
)

/** The name to export a tensor under; numpy has no bfloat16, whose patterns go as `<u2` into `BASE.bf16.npy`. */
export function npyFileName(base: string, dtype: DType): string {
  return dtype === 'bf16' ? `${base}.bf16.npy` : `${base}.npy`
}

/**
 * Reads the header from a file's first bytes; 64 KiB always suffice.
 *
 * @throws `format` if they are no .npy header, or describe what no tensor can be (objects, structures, strings, …)
 */
export function parseNpyHeader(bytes: Uint8Array): NpyHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
  if (bytes.length < 10 || !magic.every((byte, i) => bytes[i] === byte))
    throw refusal('it does not begin with \\x93NUMPY')
  const [major, minor] = [bytes[6] as number, bytes[7] as number]
  if (minor !== 0 || major < 1 || major > 3)
    throw refusal(`version ${major}.${minor} is unknown; 1.0, 2.0 and 3.0 are read`)
  const start = major === 1 ? 10 : 12
  if (bytes.length < start) throw refusal('it ends inside its header')
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > maxHeaderBytes) throw refusal(`its header claims ${length} bytes, over the bound of ${maxHeaderBytes}`)
  const dataOffset = start + length
  if (bytes.length < dataOffset) throw refusal('it ends inside its header')
  const text = new TextDecoder(major === 3 ? 'utf-8' : 'latin1').decode(bytes.subarray(start, dataOffset))
  const { descr, fortranOrder, shape } = parseDict(text)
  const dtype = dtypeByCode.get(descr.slice(1))
  if (dtype === undefined || !isByteOrder(descr, dtype)) {
    throw refusal(`its type '${descr}' is none of ${[...new Set(Object.values(typeCodes))].join(' ')}`)
  }
  const payloadBytes = elementCount(shape) * dtypeBytes[dtype]
  if (!Number.isSafeInteger(payloadBytes)) throw refusal(`its shape (${shape}) is beyond any memory`)
  return { dtype, shape, dataOffset, payloadBytes, bigEndian: descr.startsWith('>'), fortranOrder }
}

/**
 * Reads a .npy file. Big-endian and Fortran-ordered payloads are brought to little-endian C order by moving bytes,
 * never by reading values; others are not copied.
 *
 * @param fileName where given and ending in `.bf16.npy`, the patterns are taken as bfloat16
 * @throws `format` if it is not one array of a dtype Bitfleet has, ends early or goes on after the array
 */
export function parseNpy(bytes: Uint8Array, fileName = ''): Tensor {
  const header = parseNpyHeader(bytes)
  const { shape, dataOffset, payloadBytes } = header
  const payload = bytes.subarray(dataOffset)
  if (payload.length !== payloadBytes) {
    throw refusal(`its array ${header.dtype}[${shape}] takes ${payloadBytes} bytes, the file has ${payload.length}`)
  }
  const dtype = fileName.endsWith('.bf16.npy') ? 'bf16' : header.dtype
  if (dtype === 'bf16' && header.dtype !== 'u16') {
    throw refusal(`its name says bf16, whose patterns are '<u2', but its type is ${header.dtype}`)
  }
  const width = dtypeBytes[dtype]
  const ordered = header.fortranOrder && shape.length > 1 ? toCOrder(payload, shape, width) : payload
  return createTensor(dtype, shape, header.bigEndian ? swapped(ordered, width) : ordered)
}

/** The file that numpy's own `np.save` would write (version 1.0, aligned to 64 bytes). */
export function formatNpy({ dtype, shape, bytes }: Tensor): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const growth = shape.length === 0 ? 0 : growthDigits - String(shape[0]).length
  const dict = `{'descr': '${typeCodes[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }${' '.repeat(growth)}`
  // A full 64 more where it would fit already: numpy does so.
  const padding = alignment - ((10 + dict.length + 1) % alignment)
  const header = Buffer.from(`\x93NUMPY\x01\0\0\0${dict}${' '.repeat(padding)}\n`, 'latin1')
  header.writeUInt16LE(header.length - 10, 8)
  return Buffer.concat([header, bytes])
}

function refusal(fact: string): BitfleetError {
  return new BitfleetError('format', `not a .npy file Bitfleet can read: ${fact}`)
}

function isByteOrder(descr: string, dtype: DType): boolean {
  return dtypeBytes[dtype] === 1 ? /^[|<>]/.test(descr) : /^[<>]/.test(descr)
}

/** The header's dictionary, a Python literal of exactly these three keys in any order. */
function parseDict(text: string): { descr: string; fortranOrder: boolean; shape: number[] } {
  const found = new Map<string, string>()
  const dict = text.trimEnd()
  if (!dict.startsWith('{') || !dict.endsWith('}')) throw refusal('its header is not a dictionary')
  // Writers pad behind the dictionary; what is padded inside would have the patterns below look at it again and again.
  if (/\s{65}/.test(dict)) throw refusal('its header has long gaps inside')
  const body = dict.slice(1, -1).trimEnd().replace(/,$/, '')
  const item = /\s*(['"])(\w+)\1\s*:\s*(?:(['"])([^'"\\]*)\3|(True|False)|(\([^()]*\)))\s*(?:,|$)/y
  for (let at = 0; at < body.length; at = item.lastIndex) {
    item.lastIndex = at
    const match = item.exec(body)
    if (match === null || found.has(match[2] as string)) {
      throw refusal('its header is not a plain array: structured, object and malformed types are refused')
    }
    found.set(match[2] as string, match[4] ?? match[5] ?? (match[6] as string))
  }
  const descr = found.get('descr')
  const fortranOrder = found.get('fortran_order')
  const tuple = /^\(\s*((?:\d+L?\s*,\s*)*)(\d+L?)?\s*\)$/.exec(found.get('shape') ?? '')
  const malformed = tuple?.[1] === '' && tuple[2] !== undefined // `(3)` is a number in Python, not a tuple
  if (found.size !== 3 || descr === undefined || !/^(?:True|False)$/.test(fortranOrder ?? '') || !tuple || malformed) {
    throw refusal('its header does not have exactly descr, fortran_order and shape')
  }
  const shape = `${tuple[1]}${tuple[2] ?? ''}`.match(/\d+/g)?.map(Number) ?? []
  if (shape.length > 64) throw refusal(`it has ${shape.length} dimensions, over the bound of 64`)
  if (!shape.every(Number.isSafeInteger)) throw refusal(`its shape (${shape}) is beyond any memory`)
  return { descr, fortranOrder: fortranOrder === 'True', shape }
}

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const copy = Buffer.from(bytes)
  if (width === 2) return copy.swap16()
  if (width === 4) return copy.swap32()
  return width === 8 ? copy.swap64() : copy
}

/** Elements from first-index-fastest to last-index-fastest order, moved byte by byte. */
function toCOrder(bytes: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  const out = new Uint8Array(bytes.length)
  const strides: number[] = []
  shape.reduce((stride, extent) => {
    strides.push(stride)
    return stride * extent
  }, width)
  const index = shape.map(() => 0)
  for (let to = 0, from = 0; to < out.length; to += width) {
    for (let b = 0; b < width; b++) out[to + b] = bytes[from + b] as number
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const extent = shape[axis] as number
      const stride = strides[axis] as number
      index[axis] = (index[axis] as number) + 1
      from += stride
      if ((index[axis] as number) < extent) break
      index[axis] = 0
      from -= stride * extent
    }
  }
  return out
}
