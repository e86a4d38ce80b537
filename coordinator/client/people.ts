import { z } from 'zod'
import { type Role, roles } from '../people/index.ts'
import type { CoordinatorClient } from './client.ts'
import { sending } from './http.ts'

const role = z.enum(roles)
const personSchema = z.object({ name: z.string(), role, createdAt: z.string(), passwordAt: z.string() })
export type ListedPerson = z.infer<typeof personSchema>

const tokenSchema = z.object({
  ...{ id: z.string(), role, title: z.string(), person: z.string().optional() },
  ...{ createdAt: z.string(), createdBy: z.string(), expiresAt: z.string().optional() },
})
export type ListedToken = z.infer<typeof tokenSchema>

export interface WantedToken {
  readonly role: Role
  readonly title: string
  readonly person?: string | undefined
  /** ISO 8601. */
  readonly expiresAt?: string | undefined
}

/** A coordinator's people and tokens, for an admin. */
export interface PeopleClient {
  readonly url: string
  list(): Promise<ListedPerson[]>
  add(name: string, role: Role, password: string): Promise<ListedPerson>
  change(name: string, change: { role?: Role; password?: string }): Promise<ListedPerson>
  remove(name: string): Promise<void>
  tokens(): Promise<ListedToken[]>
  createToken(wanted: WantedToken): Promise<ListedToken & { token: string }>
  revokeToken(id: string): Promise<void>
  /** @param path where the link leads, on the coordinator */
  createLink(path: string): Promise<{ url: string; expiresAt: string }>
}

export function createPeopleClient({ url, request, read }: CoordinatorClient): PeopleClient {
  const person = (name: string) => `/api/people/${encodeURIComponent(name)}`
  return {
    url,
    list: async () => (await read('/api/people', z.object({ people: z.array(personSchema) }))).people,
    add: (name, wanted, password) =>
      read('/api/people', personSchema, sending('POST', { name, role: wanted, password })),
    change: (name, change) => read(person(name), personSchema, sending('PATCH', change)),
    async remove(name) {
      await request(person(name), { method: 'DELETE' })
    },
    tokens: async () => (await read('/api/api-tokens', z.object({ tokens: z.array(tokenSchema) }))).tokens,
    createToken: (wanted) =>
      read('/api/api-tokens', tokenSchema.extend({ token: z.string() }), sending('POST', wanted)),
    async revokeToken(id) {
      await request(`/api/api-tokens/${encodeURIComponent(id)}`, { method: 'DELETE' })
    },
    async createLink(path) {
      const schema = z.object({ path: z.string(), expiresAt: z.string() })
      const link = await read('/api/sign-in-links', schema, sending('POST', { path }))
      return { url: url + link.path, expiresAt: link.expiresAt }
    },
  }
}
