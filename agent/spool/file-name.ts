import { sha256Hex } from '../../shared/digest.ts'
import { decodeUtf8 } from '../../shared/utf8.ts'

/** One attempt at a job. */
export interface JobKey {
  readonly job: string
  readonly attempt: number
}

const plainName = /^((?:[a-z0-9_-]|%[0-9a-f]{2})*|%%[0-9a-f]{64})@([1-9]\d{0,15})\.result$/
/** File systems take names of 255 bytes; what is set aside gets a number before it. */
const longestJob = 180

/**
 * The name of a result's file. A job's id is another machine's text: whatever is not `a-z`, `0-9`, `-` or `_` stands as
 * `%` and two hex digits of its UTF-8, so that no id leaves the folder and no two differ in letters' case alone. An id
 * too long for a name, or of lone surrogates, stands as `%%` and its SHA-256.
 */
export function recordFileName({ job, attempt }: JobKey): string {
  const plain = job.isWellFormed() ? encode(job) : ''
  const isPlain = plain.length <= longestJob && job.isWellFormed()
  return `${isPlain ? plain : `%%${sha256Hex(JSON.stringify(job))}`}@${attempt}.result`
}

/** @returns undefined for a name that `recordFileName` does not make; `job` is absent where the name has only its digest */
export function parseRecordFileName(name: string): { readonly job?: string; readonly attempt: number } | undefined {
  const [, encoded, digits] = plainName.exec(name) ?? []
  if (encoded === undefined || digits === undefined) return undefined
  const attempt = Number(digits)
  if (!Number.isSafeInteger(attempt)) return undefined
  if (encoded.startsWith('%%')) return { attempt }
  const job = decode(encoded)
  // One name for one attempt: `%61` is no way to write `a`.
  return job !== undefined && recordFileName({ job, attempt }) === name ? { job, attempt } : undefined
}

function encode(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[a-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
    })
    .join('')
}

function decode(encoded: string): string | undefined {
  const bytes = encoded
    .match(/%[0-9a-f]{2}|[^%]/g)
    ?.map((part) => (part.length === 1 ? part.charCodeAt(0) : Number.parseInt(part.slice(1), 16)))
  try {
    return decodeUtf8(Uint8Array.from(bytes ?? []))
  } catch {
    return undefined
  }
}
