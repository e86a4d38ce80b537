import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type ErrorCode, isBitfleetError } from '../../shared/errors.ts'

const statuses: Record<ErrorCode, ContentfulStatusCode> = {
  usage: 400,
  'not-found': 404,
  conflict: 409,
  refused: 403,
  format: 400,
  'digest-mismatch': 422,
  limit: 413,
  unavailable: 503,
  protocol: 400,
  workload: 500,
  system: 500,
  internal: 500,
}

/** The status that an error is answered with. */
export function statusOf(error: unknown): ContentfulStatusCode {
  if (isBitfleetError(error)) return statuses[error.code]
  return error instanceof HTTPException ? error.status : 500
}

/** Our own errors say what they are; anything else is ours to read in the log, and says nothing to the asker. */
export function answerError(error: Error, c: Context, log: (message: string) => void): Response {
  if (isBitfleetError(error)) {
    if (statuses[error.code] === 500) log(`${c.req.method} ${c.req.path}: ${error.stack}`)
    return c.json({ error: { code: error.code, message: error.message } }, statuses[error.code])
  }
  if (error instanceof HTTPException) {
    const code: ErrorCode = error.status === 413 ? 'limit' : 'usage'
    return c.json({ error: { code, message: error.message || 'the request is malformed' } }, error.status)
  }
  log(`${c.req.method} ${c.req.path}: ${error.stack}`)
  return c.json({ error: { code: 'internal', message: "an error of the coordinator's own; its log says more" } }, 500)
}
