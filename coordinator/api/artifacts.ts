import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { formatNpy, npyFileName } from '../../shared/npy.ts'
import { createTensor } from '../../shared/tensor.ts'
import type { Services } from '../services.ts'
import { answers, json } from './answers.ts'
import { requireRole } from './guards.ts'
import { artifactParams, digestParams, npyQuery, traceParams } from './schemas.ts'

const bytes = { 'application/octet-stream': { schema: z.string().openapi({ format: 'binary' }) } }
/** Content never changes under its digest. */
const forever = 'private, max-age=31536000, immutable'

export function addArtifactRoutes(app: OpenAPIHono, { store, scheduler }: Services, maxArtifactBytes: number): void {
  const put = createRoute({
    ...{ method: 'put', path: '/api/artifacts/{digest}', summary: "Keep bytes, such as a plan's own array" },
    middleware: requireRole('operator'),
    request: { params: digestParams, body: { content: bytes, required: true } },
    responses: answers({ 201: json(z.object({ digest: z.string() }), 'kept') }, 400, 403, 413, 422),
  })
  app.openapi(put, async (c) => {
    const digest = c.req.valid('param').digest as Digest
    const claimed = Number(c.req.header('content-length') ?? 0)
    if (claimed > maxArtifactBytes) {
      throw new BitfleetError('limit', `${claimed} bytes are over the ${maxArtifactBytes} that one artifact may have`)
    }
    await store.putObject(c.req.raw.body ?? new Uint8Array(), digest, maxArtifactBytes)
    return c.json({ digest }, 201)
  })

  const get = createRoute({
    ...{ method: 'get', path: '/api/artifacts/{digest}', summary: 'Bytes kept here' },
    request: { params: digestParams },
    responses: answers({ 200: { description: 'the bytes', content: bytes } }, 400, 404),
  })
  app.openapi(get, async (c) => {
    const digest = c.req.valid('param').digest as Digest
    const found = await store.getObject(digest)
    if (!found) {
      throw new BitfleetError('not-found', `${digest} is not kept here; ask under its run, whose agents may have it`)
    }
    return c.body(Uint8Array.from(found), 200, { 'Content-Type': 'application/octet-stream', 'Cache-Control': forever })
  })

  const ofRun = createRoute({
    ...{
      method: 'get',
      path: '/api/runs/{id}/artifacts/{file}',
      summary: "A run's tensor, from here or from an agent",
    },
    request: { params: artifactParams, query: npyQuery },
    responses: answers({ 200: { description: 'the bytes, or the .npy file', content: bytes } }, 400, 404),
  })
  app.openapi(ofRun, async (c) => {
    const { id, file } = c.req.valid('param')
    const { dtype, shape = '' } = c.req.valid('query')
    const digest = file.replace(/\.npy$/, '') as Digest
    const found = await (await scheduler.artifacts(id)).tensor(digest)
    if (!found)
      throw new BitfleetError('not-found', `${digest}: its bytes were not kept, or no agent that has them is connected`)
    if (file === digest) {
      return c.body(Uint8Array.from(found), 200, {
        'Content-Type': 'application/octet-stream',
        'Cache-Control': forever,
      })
    }
    if (!dtype)
      throw new BitfleetError(
        'usage',
        'a .npy needs its dtype, such as ?dtype=f32&shape=2,3: bytes alone do not say it',
      )
    const tensor = createTensor(dtype, shape === '' ? [] : shape.split(',').map(Number), found)
    return c.body(Uint8Array.from(formatNpy(tensor)), 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename="${npyFileName(digest.slice('sha256:'.length, 23), dtype)}"`,
      'Cache-Control': forever,
    })
  })

  const trace = createRoute({
    ...{ method: 'get', path: '/api/traces/{digest}', summary: 'A trace in its file form' },
    request: { params: traceParams },
    responses: answers(
      { 200: { description: 'checkpoints, one a line', content: { 'application/jsonl': { schema: z.string() } } } },
      400,
      404,
    ),
  })
  app.openapi(trace, async (c) => {
    const { digest } = c.req.valid('param')
    const text = await store.artifacts().trace(digest)
    if (text === undefined) throw new BitfleetError('not-found', `there is no trace ${digest} here`)
    return c.body(text, 200, { 'Content-Type': 'application/jsonl', 'Cache-Control': forever })
  })
}
