import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiToken } from '../../test/people.ts'
import { createWebStage, type WebStage } from '../../test/web-stage.ts'

let stage: WebStage
beforeAll(async () => {
  stage = await createWebStage()
})
afterAll(() => stage.close())

async function ask(method: string, path: string, body?: unknown, token = apiToken) {
  const answer = await stage.app.request(`http://127.0.0.1${path}`, {
    method,
    headers: { Host: '127.0.0.1', Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, text, value: text === '' ? undefined : (JSON.parse(text) as unknown) }
}

const password = 'correct horse battery'
const adminOnly: [string, string, unknown?][] = [
  ['GET', '/api/people'],
  ['POST', '/api/people', { name: 'mallory', role: 'admin', password }],
  ['PATCH', '/api/people/victor', { role: 'admin' }],
  ['DELETE', '/api/people/alice'],
  ['GET', '/api/api-tokens'],
  ['POST', '/api/api-tokens', { role: 'admin', title: 'mine' }],
  ['DELETE', '/api/api-tokens/t-0'],
  ['POST', '/api/sign-in-links', {}],
]

describe('people and tokens', () => {
  it.each(['viewer', 'operator'] as const)('are not for a %s, also with a body that is wrong', async (role) => {
    const { text } = await stage.people.createToken({ role, title: role }, 'api')
    for (const [method, path, body] of adminOnly) {
      for (const sent of body === undefined ? [undefined] : [body, 'nonsense']) {
        const answer = await ask(method, path, sent, text)
        expect([method, path, answer.status]).toEqual([method, path, 403])
      }
    }
    expect(stage.people.list().map(({ name }) => name)).toEqual(['alice', 'oscar', 'victor'])
    expect((await ask('GET', '/api/me', undefined, text)).value).toMatchObject({ role, title: role })
  })

  it('are added, changed and removed by an admin, and no password or hash comes out', async () => {
    const added = await ask('POST', '/api/people', { name: 'walter', role: 'viewer', password })
    expect([added.status, added.value]).toEqual([201, expect.objectContaining({ name: 'walter', role: 'viewer' })])
    expect((await ask('PATCH', '/api/people/walter', { role: 'operator' })).value).toMatchObject({ role: 'operator' })
    expect((await ask('PATCH', '/api/people/walter', { password: 'another good one' })).status).toBe(200)
    const made = await ask('POST', '/api/api-tokens', { role: 'viewer', title: 'x', person: 'walter' })
    const { id, token } = made.value as { id: string; token: string }
    const listed = [await ask('GET', '/api/people'), await ask('GET', '/api/api-tokens')].map(({ text }) => text).join()
    expect(listed).toContain(id)
    expect(listed).not.toMatch(/scrypt|"hash"|bfa1_/)
    expect((await ask('GET', '/api/me', undefined, token)).status).toBe(200)
    expect((await ask('DELETE', '/api/people/walter')).status).toBe(204)
    expect((await ask('GET', '/api/me', undefined, token)).status).toBe(403)
  })

  it.each<[number, string, string, unknown]>([
    [400, 'POST', '/api/people', { name: 'Upper', role: 'viewer', password }],
    [400, 'POST', '/api/people', { name: 'x', role: 'root', password }],
    [400, 'POST', '/api/people', { name: 'x', role: 'viewer', password: 'short' }],
    [409, 'POST', '/api/people', { name: 'alice', role: 'viewer', password }],
    [400, 'PATCH', '/api/people/alice', {}],
    [400, 'PATCH', '/api/people/alice', { role: 'admin', password }],
    [404, 'PATCH', '/api/people/nobody', { role: 'admin' }],
    [409, 'DELETE', '/api/people/alice', undefined],
    [404, 'DELETE', '/api/people/nobody', undefined],
    [400, 'POST', '/api/api-tokens', { role: 'viewer', title: '' }],
    [400, 'POST', '/api/api-tokens', { role: 'viewer', title: 'x', expiresAt: 'tomorrow' }],
    [400, 'POST', '/api/api-tokens', { role: 'viewer', title: 'x', expiresAt: '2001-01-01T00:00:00Z' }],
    [404, 'POST', '/api/api-tokens', { role: 'viewer', title: 'x', person: 'nobody' }],
    [413, 'POST', '/api/people', { name: 'x', role: 'viewer', password: 'x'.repeat(1 << 17) }],
  ])('answer %i to %s %s with %j', async (status, method, path, body) => {
    const answer = await ask(method, path, body)
    expect(answer.status).toBe(status)
    expect(answer.text).not.toContain(password)
  })
})
