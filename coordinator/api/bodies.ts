import type { z } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { BitfleetError } from '../../shared/errors.ts'

const maxBodyBytes = 1 << 16
/** For routes that are asked in few words. */
export const small = bodyLimit({
  maxSize: maxBodyBytes,
  onError: () => {
    throw new BitfleetError('limit', `the request is at most ${maxBodyBytes} bytes`)
  },
})
/** A request's body in JSON. */
export const body = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { content: { 'application/json': { schema } }, required: true as const },
})
