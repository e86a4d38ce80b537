import { z } from 'zod'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { executionSchema } from '../../shared/execution.ts'
import { type Job, maxFrameBytes } from '../../shared/messages.ts'
import type { ExecutionResult } from '../daemon/execution.ts'

/** A finished result, with the job as it was given. */
export interface SpoolRecord {
  readonly job: Job
  readonly result: ExecutionResult
  /** Place in the order of making. */
  readonly sequence: number
}

// A record is a header line, `bitfleet-spool@1 LENGTH sha256:HEX`, and a payload of that length and digest: a line of
// JSON, and the trace as it is. So `tail -n +2 FILE | sha256sum` checks it.

const magic = 'bitfleet-spool@1'
const headerPattern = /^bitfleet-spool@1 (0|[1-9]\d{0,15}) (sha256:[0-9a-f]{64})$/
/** Longest header, in bytes. */
const longestHeader = 128
const lineFeed = 0x0a

/** Largest record that is written, in bytes: what is larger could be sent in no frame. */
export const maxRecordBytes = maxFrameBytes - (64 << 10)

/** Only what reading needs: a record is handed on as it was written, members that this release does not know too. */
const headSchema = z.object({
  job: z.looseObject({ id: z.string(), attempt: z.number().int().positive() }),
  execution: executionSchema,
  kept: z.array(z.unknown()),
  signed: z.looseObject({}).optional(),
  sequence: z.number().int().nonnegative(),
  /** Bytes of the trace that follows; absent where there is none, which is not the same as an empty one. */
  traceBytes: z.number().int().nonnegative().optional(),
})

/** @throws `limit` for a record that no frame could carry */
export function encodeRecord({ job, result, sequence }: SpoolRecord): Uint8Array {
  const { trace: text, ...rest } = result
  const trace = text === undefined ? undefined : Buffer.from(text)
  const head = Buffer.from(`${JSON.stringify({ job, ...rest, sequence, traceBytes: trace?.byteLength })}\n`)
  const payload = trace === undefined ? head : Buffer.concat([head, trace])
  if (payload.byteLength + longestHeader > maxRecordBytes) {
    throw new BitfleetError(
      'limit',
      `the result of ${job.id} has ${payload.byteLength} bytes, over the ${maxRecordBytes} that can be sent; ask for fewer checkpoints`,
    )
  }
  return Buffer.concat([Buffer.from(`${magic} ${payload.byteLength} ${digestOf(payload)}\n`), payload])
}

/**
 * Reads a record back and checks all of it.
 *
 * @throws `format` or `digest-mismatch`, in words that name what is wrong and not the file
 */
export function decodeRecord(bytes: Uint8Array): SpoolRecord {
  const end = bytes.subarray(0, longestHeader).indexOf(lineFeed)
  const header = headerPattern.exec(Buffer.from(bytes.subarray(0, Math.max(end, 0))).toString('latin1'))
  if (!header) throw new BitfleetError('format', 'its first line is not the header of a result')
  const payload = bytes.subarray(end + 1)
  if (String(payload.byteLength) !== header[1]) {
    throw new BitfleetError('format', `its header speaks of ${header[1]} bytes, ${payload.byteLength} are there`)
  }
  const digest = digestOf(payload)
  if (digest !== header[2]) {
    throw new BitfleetError('digest-mismatch', `its header speaks of ${header[2]}, its bytes have ${digest}`)
  }
  return readPayload(payload)
}

/** What carries its checksum was written so; it may still be another release's. */
function readPayload(payload: Uint8Array): SpoolRecord {
  const lineEnd = payload.indexOf(lineFeed)
  let head: unknown
  try {
    head = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(0, Math.max(lineEnd, 0))))
  } catch (cause) {
    throw new BitfleetError('format', `its first line after the header is not JSON: ${messageOf(cause)}`, { cause })
  }
  const parsed = headSchema.safeParse(head)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new BitfleetError('format', `it is not a result of this release: ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { job, sequence, traceBytes, ...result } = head as z.infer<typeof headSchema>
  const trace = payload.subarray(lineEnd + 1)
  if (trace.byteLength !== (traceBytes ?? 0)) {
    throw new BitfleetError('format', `its trace has ${trace.byteLength} bytes, not ${traceBytes ?? 0}`)
  }
  const text = traceBytes === undefined ? {} : { trace: Buffer.from(trace).toString('utf8') }
  return { job: job as unknown as Job, result: { ...(result as unknown as ExecutionResult), ...text }, sequence }
}
