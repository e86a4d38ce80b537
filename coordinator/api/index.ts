import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { BitfleetError } from '../../shared/errors.ts'
import type { Services } from '../services.ts'
import { addAgentRoutes } from './agents.ts'
import { answers, json } from './answers.ts'
import { addArtifactRoutes } from './artifacts.ts'
import { answerError } from './errors.ts'
import { type GuardOptions, guard, securityHeaders } from './guards.ts'
import { addImportRoutes } from './imports.ts'
import { addPeopleRoutes } from './people.ts'
import { checkUrl } from './request-url.ts'
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
  app.use(guard(options, services.people))
  app.use('/api/*', checkUrl('api'))
  app.onError((error, c) => answerError(error, c, log))
  app.notFound((c) => c.json({ error: { code: 'not-found', message: `there is nothing at ${c.req.path}` } }, 404))

  app.openAPIRegistry.registerComponent('securitySchemes', 'api', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API token, or the content of api.token in the store.',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    ...{ type: 'apiKey', in: 'cookie', name: 'bitfleet-session' },
    description:
      'A browser that signed in at /sign-in. With a port in the address the name ends in it (`bitfleet-session-7575`), ' +
      'over TLS it begins with `__Host-`. Writes then need an Origin header of this server.',
  })
  app.doc31('/api/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Bitfleet coordinator', version: '1', description: 'Runs, their progress, reports and bytes.' },
    security: [{ api: [] }, { session: [] }],
  })

  const health = createRoute({
    ...{ method: 'get', path: '/api/health', summary: 'Whether it runs', security: [] },
    responses: answers({ 200: json(healthSchema, 'it runs') }),
  })
  // It answers 200 all the same: to start it again, as whoever watches it might, would mend nothing.
  app.openapi(health, (c) => {
    const trouble = services.store.trouble()
    const status = trouble === undefined ? ('ok' as const) : ('impaired' as const)
    const { software, scheduler } = services
    return c.json({ status, software, agents: scheduler.agents().length, ...(trouble && { trouble }) }, 200)
  })

  addAgentRoutes(app, services)
  addRunRoutes(app, services, heartbeatMs)
  addArtifactRoutes(app, services, maxArtifactBytes)
  addImportRoutes(app, services)
  addPeopleRoutes(app, services)
  return app
}
