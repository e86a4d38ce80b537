import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { FleetMember } from '../fleet.ts'
import type { Services } from '../services.ts'
import { answers, json } from './answers.ts'
import { body, small } from './bodies.ts'
import { identityOf, requireRole } from './guards.ts'
import {
  agentParams,
  agentSchema,
  createdTokenSchema,
  labelsChangeSchema,
  pruneSchema,
  revokeSchema,
  tokenSchema,
} from './schemas.ts'

const defaultTtlMs = 10 * 60_000
const admin = requireRole('admin')

/** The fleet: who is in it, tokens to join, and what operators do with an agent. */
export function addAgentRoutes(app: OpenAPIHono, { fleet }: Services): void {
  const one = async (id: string) => describe((await fleet.list()).find((member) => member.id === id) as FleetMember)

  const list = createRoute({
    ...{ method: 'get', path: '/api/agents', summary: 'Agents that are enrolled, or were' },
    responses: answers({ 200: json(z.object({ agents: z.array(agentSchema) }), 'agents by id') }),
  })
  app.openapi(list, async (c) => c.json({ agents: (await fleet.list()).map(describe) }, 200))

  const token = createRoute({
    ...{ method: 'post', path: '/api/tokens', summary: 'A token for one machine, shown this once' },
    middleware: [admin, small] as const,
    request: body(tokenSchema),
    responses: answers({ 201: json(createdTokenSchema, 'the token, and until when it is good') }, 400, 401, 403),
  })
  app.openapi(token, async (c) => {
    const { ttlMs = defaultTtlMs, labels = {}, needsApproval = false } = c.req.valid('json')
    return c.json(await fleet.createToken({ ttlMs, labels, needsApproval }, identityOf(c).by), 201)
  })

  const approve = createRoute({
    ...{ method: 'post', path: '/api/agents/{id}/approve', summary: 'Let an agent that waits take work' },
    middleware: [admin, small] as const,
    request: { params: agentParams },
    responses: answers({ 200: json(agentSchema, 'the agent') }, 400, 401, 403, 404, 409),
  })
  app.openapi(approve, async (c) => {
    const { id } = c.req.valid('param')
    await fleet.approve(id, identityOf(c).by)
    return c.json(await one(id), 200)
  })

  const unlock = createRoute({
    ...{ method: 'post', path: '/api/agents/{id}/unlock', summary: 'Take an agent that was locked as it comes next' },
    middleware: [admin, small] as const,
    request: { params: agentParams },
    responses: answers({ 200: json(agentSchema, 'the agent') }, 400, 401, 403, 404, 409),
  })
  app.openapi(unlock, async (c) => {
    const { id } = c.req.valid('param')
    await fleet.unlock(id, identityOf(c).by)
    return c.json(await one(id), 200)
  })

  const revoke = createRoute({
    ...{ method: 'post', path: '/api/agents/{id}/revoke', summary: 'Turn an agent away for good' },
    middleware: [admin, small] as const,
    request: { params: agentParams, ...body(revokeSchema) },
    responses: answers({ 200: json(agentSchema, 'the agent') }, 400, 401, 403, 404),
  })
  app.openapi(revoke, async (c) => {
    const { id } = c.req.valid('param')
    await fleet.revoke(id, c.req.valid('json').reason, identityOf(c).by)
    return c.json(await one(id), 200)
  })

  const label = createRoute({
    ...{ method: 'post', path: '/api/agents/{id}/labels', summary: 'Set and remove labels of an agent' },
    middleware: [admin, small] as const,
    request: { params: agentParams, ...body(labelsChangeSchema) },
    responses: answers({ 200: json(agentSchema, 'the agent') }, 400, 401, 403, 404),
  })
  app.openapi(label, async (c) => {
    const { id } = c.req.valid('param')
    const { set, remove } = c.req.valid('json')
    const labels = { ...(await fleet.list()).find((member) => member.id === id)?.labels, ...set }
    for (const key of remove) delete labels[key]
    await fleet.label(id, labels, identityOf(c).by)
    return c.json(await one(id), 200)
  })

  const prune = createRoute({
    ...{ method: 'post', path: '/api/agents/prune', summary: 'Forget agents that are turned away or gone' },
    middleware: [admin, small] as const,
    request: body(pruneSchema),
    responses: answers({ 200: json(z.object({ pruned: z.array(z.string()) }), 'their ids') }, 400, 401, 403),
  })
  app.openapi(prune, async (c) => {
    const { unseenSince } = c.req.valid('json')
    const since = unseenSince === undefined ? undefined : new Date(unseenSince)
    return c.json({ pruned: await fleet.prune(since, identityOf(c).by) }, 200)
  })
}

/** Before it has connected, an agent has said nothing of itself. */
function describe({ record, ...member }: FleetMember) {
  const { software = '', facts = {}, attributes = {}, devices = [], backends = [], slots = 0 } = record ?? {}
  return {
    ...member,
    labels: { ...member.labels },
    ...{ software, facts: { ...facts }, attributes: { ...attributes }, devices: [...devices], slots },
    backends: [...backends],
  }
}
