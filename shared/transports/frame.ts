import { BitfleetError } from '../errors.ts'
import { decodeUtf8 } from '../utf8.ts'

/**
 * The binary form of a message with bytes: u32 little-endian length of the header, the header (JSON in UTF-8), then the
 * body to the end.
 */
export function encodeFrame(message: unknown, body: Uint8Array): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify(message))
  const frame = new Uint8Array(4 + header.byteLength + body.byteLength)
  new DataView(frame.buffer).setUint32(0, header.byteLength, true)
  frame.set(header, 4)
  frame.set(body, 4 + header.byteLength)
  return frame
}

/** @throws `format` where the bytes are no such frame. The body is a view into `frame`. */
export function decodeFrame(frame: Uint8Array): { message: unknown; body: Uint8Array } {
  if (frame.byteLength < 4)
    throw new BitfleetError('format', `a binary frame of ${frame.byteLength} bytes has no header`)
  const end = 4 + new DataView(frame.buffer, frame.byteOffset).getUint32(0, true)
  if (end > frame.byteLength) {
    throw new BitfleetError('format', `a frame of ${frame.byteLength} bytes claims a header that ends at byte ${end}`)
  }
  return { message: parseMessage(decodeText(frame.subarray(4, end))), body: frame.subarray(end) }
}

/** @throws `format` where the text is not JSON. */
export function parseMessage(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BitfleetError('format', 'a frame whose message is not JSON', { cause })
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes)
  } catch (cause) {
    throw new BitfleetError('format', 'a frame whose message is not UTF-8', { cause })
  }
}
