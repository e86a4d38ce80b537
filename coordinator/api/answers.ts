import type { z } from '@hono/zod-openapi'
import { errorSchema } from './schemas.ts'

type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 413 | 422 | 503

const meanings: Record<ErrorStatus, string> = {
  400: 'the request is wrong, and says how',
  401: 'nobody is signed in, and there is no token',
  403: 'not allowed: token, role, name or origin',
  404: 'there is no such thing',
  409: 'not in this state',
  413: 'too large',
  422: 'the bytes do not have the digest',
  503: 'not now: no agent fits, or too many ask',
}

/** A JSON answer. */
export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { 'application/json': { schema } } }
}

type Errors = { [Status in ErrorStatus]?: ReturnType<typeof json<typeof errorSchema>> }

/** A route's answers; those of errors are all of one form, and are made by throwing. */
export function answers<const Good extends object>(good: Good, ...statuses: ErrorStatus[]): Good & Errors {
  const errors: Errors = {}
  for (const status of statuses) errors[status] = json(errorSchema, meanings[status])
  return { ...good, ...errors }
}
