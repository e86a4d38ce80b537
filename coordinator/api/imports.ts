import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { openBundles } from '../../shared/bundle.ts'
import { type ByteSource, createMemorySource } from '../../shared/zip.ts'
import { importBundles } from '../bundle/import.ts'
import type { Services } from '../services.ts'
import { answers, json } from './answers.ts'
import { importedSchema, importSchema } from './schemas.ts'

const maxRequestBytes = 1 << 20

/** Bundles are uploaded as artifacts and then imported together: those of one plan become one run. */
export function addImportRoutes(app: OpenAPIHono, { store, fleet, software }: Services): void {
  /** One import at a time: two of the same bundles would each begin the run. */
  let last: Promise<unknown> = Promise.resolve()

  const create = createRoute({
    ...{ method: 'post', path: '/api/imports', summary: 'Make runs of bundles that were uploaded as artifacts' },
    security: [{ api: [] }],
    middleware: bodyLimit({
      maxSize: maxRequestBytes,
      onError: () => {
        throw new BitfleetError('limit', `a list of bundles is at most ${maxRequestBytes} bytes`)
      },
    }),
    request: { body: { content: { 'application/json': { schema: importSchema } }, required: true } },
    responses: answers(
      { 200: json(z.object({ runs: z.array(importedSchema) }), 'the runs they are') },
      ...([400, 403, 404, 409, 413, 422] as const),
    ),
  })
  app.openapi(create, async (c) => {
    const { bundles } = c.req.valid('json')
    const sources: ByteSource[] = []
    for (const { digest, title } of bundles) {
      const bytes = await store.getObject(digest as Digest)
      if (!bytes) throw new BitfleetError('not-found', `${title} is not here; upload ${digest} as an artifact first`)
      sources.push(createMemorySource(title, bytes))
    }
    const context = { software, find: fleet.find, by: 'api' }
    const done = last.then(async () => importBundles(store, await openBundles(sources), context))
    last = done.catch(() => {})
    const runs = await done
    return c.json({ runs: runs.map((run) => ({ ...run, agents: [...run.agents] })) }, 200)
  })
}
