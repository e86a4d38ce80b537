import { createHash } from 'node:crypto'
import { BitfleetError } from './errors.ts'

/** `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`

export const digestPattern = /^sha256:[0-9a-f]{64}$/

export const chunkBytes = 1 << 20

export function isDigest(text: string): text is Digest {
  return digestPattern.test(text)
}

export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new BitfleetError('format', `"${text}" is not sha256: and 64 hex digits`)
  return text
}

export function sha256Hex(...parts: (Uint8Array | string)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** The digest of raw bytes alone; dtype and shape stand beside it wherever it is used. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${sha256Hex(bytes)}`
}

/** Digests of consecutive 1 MiB pieces, the last one shorter; of no bytes, no chunks. */
export function chunkDigests(bytes: Uint8Array): Digest[] {
  const digests: Digest[] = []
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) digests.push(digestOf(bytes.subarray(at, at + chunkBytes)))
  return digests
}
