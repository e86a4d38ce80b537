import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { BitfleetError } from '../../shared/errors.ts'
import { type ApiToken, type Person, personNameSchema, roles } from '../people/index.ts'
import type { Services } from '../services.ts'
import { answers, json } from './answers.ts'
import { body, small } from './bodies.ts'
import { identityOf, requireRole } from './guards.ts'
import { localPath } from './local-path.ts'
import { tokenParams } from './schemas.ts'

const role = z.enum(roles)
const personSchema = z
  .object({ name: z.string(), role, createdAt: z.string(), passwordAt: z.string() })
  .openapi('Person')
const newPersonSchema = z.object({ name: personNameSchema, role, password: z.string() }).openapi('NewPerson')
const changedPersonSchema = z
  .object({ role: role.optional(), password: z.string().optional() })
  // Of two changes, the second could fail after the first.
  .refine((change) => (change.role === undefined) !== (change.password === undefined), 'either role or password')
  .openapi('ChangedPerson')

const tokenSchema = z
  .object({
    ...{ id: z.string(), role, title: z.string(), person: z.string().optional() },
    ...{ createdAt: z.string(), createdBy: z.string(), expiresAt: z.string().optional() },
  })
  .openapi('ApiToken')
const newTokenSchema = z
  .object({
    role,
    title: z.string().min(1).max(200).openapi({ description: 'what it is for' }),
    person: personNameSchema.optional().openapi({ description: "whose; left out, a service's" }),
    expiresAt: z.iso.datetime().optional(),
  })
  .openapi('NewApiToken')
const createdTokenSchema = tokenSchema
  .extend({ token: z.string().openapi({ description: 'shown this once' }) })
  .openapi('CreatedApiToken')

const newLinkSchema = z
  .object({ path: z.string().max(2000).default('/').openapi({ description: 'where it leads, on this coordinator' }) })
  .openapi('NewSignInLink')
const linkSchema = z
  .object({ path: z.string().openapi({ example: '/sign-in/…' }), expiresAt: z.string() })
  .openapi('SignInLink')

const nameParams = z.object({
  name: z
    .string()
    .refine((name) => personNameSchema.safeParse(name).success, 'no person can have this name')
    .openapi({ param: { name: 'name', in: 'path' } }),
})

const admin = requireRole('admin')
/** People, API tokens and sign-in links; all but who one is oneself are for admins. */
export function addPeopleRoutes(app: OpenAPIHono, { people }: Services): void {
  const me = createRoute({
    ...{ method: 'get', path: '/api/me', summary: 'Who asks, and what they may do' },
    responses: answers({ 200: json(z.object({ by: z.string(), title: z.string(), role }), 'you') }, 401),
  })
  app.openapi(me, (c) => {
    const { by, title, role: own } = identityOf(c)
    return c.json({ by, title, role: own }, 200)
  })

  const list = createRoute({
    ...{ method: 'get', path: '/api/people', summary: 'Who may sign in', middleware: admin },
    responses: answers({ 200: json(z.object({ people: z.array(personSchema) }), 'people by name') }, 401, 403),
  })
  app.openapi(list, (c) => c.json({ people: people.list().map(shownPerson) }, 200))

  const add = createRoute({
    ...{ method: 'post', path: '/api/people', summary: 'Add a person', middleware: [admin, small] },
    request: body(newPersonSchema),
    responses: answers({ 201: json(personSchema, 'added') }, 400, 401, 403, 409),
  })
  app.openapi(add, async (c) => {
    const { name, role: wanted, password } = c.req.valid('json')
    return c.json(shownPerson(await people.add(name, wanted, password, identityOf(c).by)), 201)
  })

  const change = createRoute({
    ...{ method: 'patch', path: '/api/people/{name}', middleware: [admin, small] },
    summary: 'Give a person another role or password; another password ends their sessions',
    request: { params: nameParams, ...body(changedPersonSchema) },
    responses: answers({ 200: json(personSchema, 'as they are now') }, 400, 401, 403, 404, 409),
  })
  app.openapi(change, async (c) => {
    const { name } = c.req.valid('param')
    const { role: wanted, password } = c.req.valid('json')
    const { by } = identityOf(c)
    const person =
      wanted === undefined ? await people.setPassword(name, password ?? '', by) : await people.setRole(name, wanted, by)
    return c.json(shownPerson(person), 200)
  })

  const remove = createRoute({
    ...{ method: 'delete', path: '/api/people/{name}', middleware: admin },
    summary: 'Remove a person, with their sessions and API tokens',
    request: { params: nameParams },
    responses: answers({ 204: { description: 'removed' } }, 400, 401, 403, 404, 409),
  })
  app.openapi(remove, async (c) => {
    await people.remove(c.req.valid('param').name, identityOf(c).by)
    return c.body(null, 204)
  })

  const tokens = createRoute({
    ...{ method: 'get', path: '/api/api-tokens', summary: 'API tokens that were not revoked', middleware: admin },
    responses: answers({ 200: json(z.object({ tokens: z.array(tokenSchema) }), 'tokens by id') }, 401, 403),
  })
  app.openapi(tokens, (c) => c.json({ tokens: people.tokens().map(shownToken) }, 200))

  const createToken = createRoute({
    ...{ method: 'post', path: '/api/api-tokens', middleware: [admin, small] },
    summary: 'Make an API token; it is shown this once, and kept as SHA-256',
    request: body(newTokenSchema),
    responses: answers({ 201: json(createdTokenSchema, 'made') }, 400, 401, 403, 404),
  })
  app.openapi(createToken, async (c) => {
    const { text, token } = await people.createToken(c.req.valid('json'), identityOf(c).by)
    return c.json({ ...shownToken(token), token: text }, 201)
  })

  const revoke = createRoute({
    ...{ method: 'delete', path: '/api/api-tokens/{id}', summary: 'Revoke an API token', middleware: admin },
    request: { params: tokenParams },
    responses: answers({ 204: { description: 'revoked' } }, 400, 401, 403, 404),
  })
  app.openapi(revoke, async (c) => {
    await people.revokeToken(c.req.valid('param').id, identityOf(c).by)
    return c.body(null, 204)
  })

  const link = createRoute({
    ...{ method: 'post', path: '/api/sign-in-links', middleware: [admin, small] },
    summary: 'An address that signs in as you whoever opens it first, within five minutes',
    request: body(newLinkSchema),
    responses: answers({ 201: json(linkSchema, 'made') }, 400, 401, 403),
  })
  app.openapi(link, async (c) => {
    const path = localPath(c.req.valid('json').path)
    if (path === undefined) throw new BitfleetError('usage', 'path: not a path on this coordinator, such as /runs/ID')
    const { secret, expiresAt } = await people.createLink(identityOf(c), path)
    return c.json({ path: `/sign-in/${secret}`, expiresAt }, 201)
  })
}

const shownPerson = ({ name, role, createdAt, passwordAt }: Person) => ({ name, role, createdAt, passwordAt })

function shownToken({ id, role, title, person, createdAt, createdBy, expiresAt }: ApiToken) {
  return {
    ...{ id, role, title, createdAt, createdBy },
    ...(person === undefined ? {} : { person }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}
