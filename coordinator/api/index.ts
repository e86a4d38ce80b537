import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { BitfleetError } from '../../shared/errors.ts'
import type { Services } from '../services.ts'
import { addAgentRoutes } from './agents.ts'
import { answers, json } from './answers.ts'
import { addArtifactRoutes } from './artifacts.ts'
import { answerError } from './errors.ts'
import { type GuardOptions, guard, securityHeaders } from './guards.ts'
import { addImportRoutes } from './imports.ts'
import { addRunRoutes } from './runs.ts'
import { healthSchema } from './schemas.ts'

export interface ApiOptions extends GuardOptions {
  readonly log?: (message: string) => void
  readonly maxArtifactBytes?: number
  readonly heartbeatMs?: number
}

/** The HTTP API, described by itself at `/api/openapi.json`. The guards hold for whatever is mounted on it later, too. */
export function createApi(services: Services, options: ApiOptions): OpenAPIHono {
  const { log = () => {}, maxArtifactBytes = 1 << 30, heartbeatMs = 15_000 } = options
  const app = new OpenAPIHono({
    defaultHook(result) {
      if (result.success) return
      const issue = result.error.issues[0]
      throw new BitfleetError('usage', `${issue?.path.join('.') || result.target}: ${issue?.message}`)
    },
  })
  app.use(securityHeaders())
  app.use(guard(options))
  app.onError((error, c) => answerError(error, c, log))
  app.notFound((c) => c.json({ error: { code: 'not-found', message: `there is nothing at ${c.req.path}` } }, 404))

  app.openAPIRegistry.registerComponent('securitySchemes', 'api', {
    type: 'http',
    scheme: 'bearer',
    description: 'The content of api.token in the store. Off loopback, reads need it too.',
  })
  app.doc31('/api/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Bitfleet coordinator', version: '1', description: 'Runs, their progress, reports and bytes.' },
  })

  const health = createRoute({
    ...{ method: 'get', path: '/api/health', summary: 'Whether it runs' },
    responses: answers({ 200: json(healthSchema, 'it runs') }),
  })
  app.openapi(health, (c) =>
    c.json({ status: 'ok' as const, software: services.software, agents: services.scheduler.agents().length }, 200),
  )

  addAgentRoutes(app, services)
  addRunRoutes(app, services, heartbeatMs)
  addArtifactRoutes(app, services, maxArtifactBytes)
  addImportRoutes(app, services)
  return app
}
