import { beforeAll, describe, expect, it } from 'vitest'
import { agentRecord, honest, planOf, schedulerHarness } from '../../test/scheduler-harness.ts'
import { apiToken, createTestPeople } from '../../test/people.ts'
import { f32 } from '../../test/synthetic-run.ts'
import { hostileTensors } from '../../test/hostile-bits.ts'
import { digestOf } from '../../shared/digest.ts'
import { parseNpy } from '../../shared/npy.ts'
import { parseEventStream, type ServerEvent } from '../client/event-stream.ts'
import { createFleet } from '../fleet.ts'
import type { Report } from '../report/format.ts'
import type { Scheduler } from '../scheduler/index.ts'
import { type ApiOptions, createApi } from './index.ts'

const bench = schedulerHarness()
const bearer = { Authorization: `Bearer ${apiToken}` }

function open(options: Partial<ApiOptions> = {}, scheduler: Scheduler = bench.start()) {
  const { people } = createTestPeople()
  const fleet = createFleet(bench.registry, scheduler, bench.store)
  const services = { store: bench.store, scheduler, people, fleet, software: 'bitfleet 0.1.0' }
  const api = createApi(services, { loopback: true, hosts: [], maxArtifactBytes: 1 << 16, ...options })
  const send = (path: string, init: Init = {}) =>
    api.request(`http://127.0.0.1:7575${path}`, { ...init, headers: { Host: '127.0.0.1:7575', ...init.headers } })
  /** With the store's own token. */
  const request = (path: string, init: Init = {}) => send(path, { ...init, headers: { ...bearer, ...init.headers } })
  return { send, request, scheduler }
}
type Init = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> }
const post = (body: unknown, headers: Record<string, string> = bearer) => ({
  ...{ method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) },
  headers: { 'Content-Type': 'application/json', ...headers },
})
const put = (bytes: Uint8Array, headers: Record<string, string> = bearer) => ({
  ...{ method: 'PUT', body: bytes as RequestInit['body'], headers },
})
const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code

describe('who may ask', () => {
  it.each(['localhost', 'LOCALHOST:80', '127.0.0.1:7575', '[::1]:7575', 'lab.example:7575'])(
    'answers to %s',
    async (Host) => {
      expect((await open({ hosts: ['lab.example'] }).request('/api/health', { headers: { Host } })).status).toBe(200)
    },
  )

  it.each(['evil.example', 'evil.example:7575', '127.0.0.1.evil.example', 'localhost.', ''])(
    'does not answer to "%s"',
    async (Host) => {
      const response = await open().request('/api/health', { headers: { Host } })
      expect([response.status, await codeOf(response)]).toEqual([403, 'refused'])
    },
  )

  it('takes neither writes nor reads without a token, on loopback or off it', async () => {
    for (const loopback of [true, false]) {
      const { send, request } = open({ loopback })
      for (const init of [
        post({ plan: '' }, {}),
        post({ plan: '' }, { Authorization: 'Bearer ' }),
        post({ plan: '' }, { Authorization: `Bearer ${apiToken}x` }),
        post({ plan: '' }, { Authorization: `Basic ${btoa(`x:${apiToken}`)}` }),
      ]) {
        expect([401, 403]).toContain((await send('/api/runs', init)).status)
      }
      expect((await send('/api/runs/x/cancel', { method: 'POST' })).status).toBe(401)
      expect((await send(`/api/artifacts/${digestOf('x')}`, put(Buffer.from('x'), {}))).status).toBe(401)
      expect(await bench.store.hasObject(digestOf('x'))).toBe(false)
      for (const path of ['/api/runs', '/api/agents', '/api/openapi.json', '/api/none', '/api/me']) {
        expect((await send(path)).status).toBe(401)
        expect((await send(path, { headers: { Authorization: 'Bearer guess' } })).status).toBe(403)
      }
      expect((await request('/api/runs')).status).toBe(200)
      expect((await send('/api/health')).status).toBe(200)
    }
  })

  it('takes no write from another origin, token or not', async () => {
    const { request } = open()
    for (const Origin of ['http://evil.example', 'http://127.0.0.1:9', 'null', 'not an origin']) {
      const response = await request('/api/runs', post({ plan: 'x' }, { ...bearer, Origin }))
      expect(response.status).toBe(403)
    }
    const own = await request('/api/runs', post({ plan: 'x' }, { ...bearer, Origin: 'http://127.0.0.1:7575' }))
    expect(own.status).toBe(400)
  })

  it('answers nothing that a page elsewhere could use', async () => {
    const { headers } = await open().request('/api/health')
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('artifacts', () => {
  it('bring every hostile bit pattern up and down', async () => {
    const { request } = open()
    for (const { bytes } of hostileTensors()) {
      const path = `/api/artifacts/${digestOf(bytes)}`
      expect((await request(path, put(bytes))).status).toBe(201)
      expect(digestOf(new Uint8Array(await (await request(path)).arrayBuffer()))).toBe(digestOf(bytes))
    }
  })

  it('with another digest, too large, or with a lying length, are refused and not kept', async () => {
    const { request } = open()
    const digest = digestOf('these')
    const response = await request(`/api/artifacts/${digest}`, put(Buffer.from('those')))
    expect([response.status, await codeOf(response)]).toEqual([422, 'digest-mismatch'])
    const large = new Uint8Array((1 << 16) + 1)
    const path = `/api/artifacts/${digestOf(large)}`
    for (const headers of [
      bearer,
      { ...bearer, 'Content-Length': '3' },
      { ...bearer, 'Content-Length': '99999999999' },
    ]) {
      expect((await request(path, put(large, headers))).status).toBe(413)
    }
    expect(await bench.store.hasObject(digest)).toBe(false)
    expect(await bench.store.hasObject(digestOf(large))).toBe(false)
  })

  it.each([
    '..%2f..%2fapi.token',
    'sha256:..%2f..%2f..%2flock',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'0'.repeat(63)}`,
    '%00',
  ])('have no name like %s', async (name) => {
    const { request } = open()
    for (const path of [`/api/artifacts/${name}`, `/api/runs/x/artifacts/${name}`, `/api/traces/${name}`]) {
      expect([400, 404]).toContain((await request(path)).status)
    }
    expect((await request(`/api/artifacts/${name}`, put(Buffer.from('x')))).status).toBe(400)
  })
})

describe('a run', () => {
  let id: string
  let scheduler: Scheduler
  const events: ServerEvent[] = []
  beforeAll(async () => {
    scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    agent.work(honest)
    const { request } = open({}, scheduler)
    const response = await request('/api/runs', post({ plan: planOf(), fileName: 'orders.yaml', name: '<b>sums</b>' }))
    id = ((await response.json()) as { id: string }).id
    const ended = await request(`/api/runs/${id}/events`)
    for await (const event of parseEventStream(ended.body as ReadableStream<Uint8Array>)) events.push(event)
  }, 120_000)

  it('is followed from its beginning to its end', () => {
    expect(events[0]).toMatchObject({ id: '1', event: 'state', data: '{"state":"running"}' })
    expect(events.filter(({ event }) => event === 'execution')).toHaveLength(4)
    expect(events.filter(({ event }) => event === 'state').map(({ data }) => JSON.parse(data).state)).toEqual([
      'running',
      'comparing',
      'done',
    ])
    expect(events.map((event) => Number(event.id))).toEqual(events.map((_, i) => i + 1))
  })

  it('says how far it is', async () => {
    const { request } = open()
    const found = (await (await request(`/api/runs/${id}`)).json()) as Record<string, unknown>
    expect(found).toMatchObject({
      name: '<b>sums</b>',
      state: 'done',
      total: 4,
      waiting: 0,
      running: 0,
      ended: { completed: 4 },
    })
    expect((found.cells as { executions: string[] }[]).map(({ executions }) => executions)).toEqual([
      ['completed', 'completed'],
      ['completed', 'completed'],
    ])
    expect(await (await request('/api/runs')).json()).toMatchObject({
      runs: expect.arrayContaining([expect.objectContaining({ id, state: 'done', cells: 2 })]),
    })
  })

  it('has its report in four forms', async () => {
    const { request } = open()
    const report = (await (await request(`/api/runs/${id}/report.json`)).json()) as { verdict: string; schema: string }
    expect(report).toMatchObject({ schema: 'bitfleet/report@2', verdict: 'divergent' })
    for (const [form, type, content] of [
      ['html', 'text/html', '&lt;b&gt;sums'],
      ['md', 'text/markdown', 'reduce.sum'],
      ['csv', 'text/csv', 'reduce.sum'],
    ] as const) {
      const answer = await request(`/api/runs/${id}/report.${form}`)
      expect(answer.headers.get('content-type')).toContain(type)
      expect(await answer.text()).toContain(content)
    }
    expect((await request(`/api/runs/${id}/report.html`)).headers.get('content-security-policy')).not.toContain(
      'unsafe',
    )
  })

  it('gives its tensors as bytes and as .npy', async () => {
    const { request } = open({}, bench.start())
    const sum = f32([4], [])
    const digest = digestOf(sum.bytes)
    // Kept since the comparison asked the agent for it; no agent is connected now.
    const file = await request(`/api/runs/${id}/artifacts/${digest}.npy?dtype=f32&shape=`)
    expect(parseNpy(new Uint8Array(await file.arrayBuffer()))).toEqual({ ...sum, bytes: expect.anything() })
    expect(file.headers.get('content-disposition')).toContain('.npy')
    expect((await request(`/api/runs/${id}/artifacts/${digest}`)).status).toBe(200)
    for (const query of ['', '?dtype=f32&shape=2', '?dtype=f33', '?dtype=f32&shape=-1']) {
      expect((await request(`/api/runs/${id}/artifacts/${digest}.npy${query}`)).status).toBe(400)
    }
    expect((await request(`/api/runs/${id}/artifacts/${digestOf('none')}`)).status).toBe(404)
    const [trace] = (await bench.store.listExecutions(id)).map((execution) => execution.trace)
    expect(await (await request(`/api/traces/${trace}`)).text()).toContain('"name":"sum"')
  })

  it('that has ended tells a follower so at once, and cannot be cancelled', async () => {
    const { request } = open()
    const text = await (await request(`/api/runs/${id}/events`, { headers: { 'Last-Event-ID': '77' } })).text()
    expect(text).toContain('event: state\ndata: {"state":"done"}\nid: 1')
    expect((await request(`/api/runs/${id}/cancel`, { method: 'POST', headers: bearer })).status).toBe(409)
  })

  it('that is not there is not found', async () => {
    const { request } = open()
    for (const path of ['', '/events', '/report.json', '/report.html', `/artifacts/${digestOf('x')}`]) {
      const response = await request(`/api/runs/none${path}`)
      expect([path, response.status, await codeOf(response)]).toEqual([path, 404, 'not-found'])
    }
  })

  it('is refused with the line of the plan, and without an agent', async () => {
    const { request } = open()
    const wrong = await request('/api/runs', post({ plan: 'name: x\nworkloads: 3\n', fileName: 'my.yaml' }))
    expect([wrong.status, await wrong.text()]).toEqual([400, expect.stringContaining('my.yaml:2')])
    const alone = await request('/api/runs', post({ plan: planOf() }))
    expect([alone.status, await codeOf(alone)]).toEqual([503, 'unavailable'])
    for (const body of ['{"plan":', '[]', '{"plan":3}', `{"plan":"${'x'.repeat(2 << 20)}"}`]) {
      expect((await request('/api/runs', post(body))).status).toBe(400)
    }
    expect((await request('/api/runs', post(`{"plan":"${'x'.repeat(9 << 20)}"}`))).status).toBe(413)
  })
})

describe('events', () => {
  it('go on after the one a follower names, while the run does', async () => {
    const { request, scheduler } = open({ heartbeatMs: 5 })
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1), inputs: [] })
    const first = (await agent.next('job')).job
    await agent.answer(first, honest(first))
    await agent.next('acknowledged')
    const follower = new AbortController()
    const stream = await request(`/api/runs/${id}/events`, {
      headers: { 'Last-Event-ID': '1' },
      signal: follower.signal,
    })
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    while (!text.includes('event: execution') || !text.includes(': alive'))
      text += new TextDecoder().decode((await reader.read()).value)
    expect(text).not.toMatch(/^id: 1$/m)
    expect(text).toMatch(/^id: 2$/m)
    await reader.cancel()
  })
})

describe('an interim report', () => {
  it('covers what a run has so far, and the run goes on', async () => {
    const { request, scheduler } = open()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(2), inputs: [] })
    const first = (await agent.next('job')).job
    await agent.answer(first, honest(first))
    await agent.next('acknowledged')
    const response = await request(`/api/runs/${id}/interim-report.json`)
    const report = (await response.json()) as Report
    expect(report).toMatchObject({ verdict: 'nothing compared', run: { id, state: 'cancelled' } })
    expect(report.cells.flatMap(({ traces }) => traces).filter(Boolean)).toHaveLength(1)
    expect((await scheduler.progress(id)).run.state).toBe('running')
    expect(await bench.store.loadReport(id)).toBeUndefined()

    agent.work(honest)
    await bench.finish(scheduler, id)
    const late = await request(`/api/runs/${id}/interim-report.json`)
    expect([late.status, await codeOf(late)]).toEqual([409, 'conflict'])
    expect((await request('/api/runs/nobody/interim-report.json')).status).toBe(404)
  })
})

it('describes itself, errors and all', async () => {
  const document = (await (await open().request('/api/openapi.json')).json()) as {
    openapi: string
    paths: Record<string, object>
  }
  expect(document.openapi).toBe('3.1.0')
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining([
      '/api/health',
      '/api/agents',
      '/api/runs',
      '/api/runs/{id}',
      '/api/runs/{id}/events',
      '/api/runs/{id}/report.json',
      '/api/artifacts/{digest}',
    ]),
  )
  expect(document.paths['/api/runs']).toMatchObject({ post: { responses: { 401: {}, 413: {} } } })
  expect(document).toMatchObject({ security: [{ api: [] }, { session: [] }] })
  expect(document.paths['/api/health']).toMatchObject({ get: { security: [] } })
})

describe('an id in a path', () => {
  /** Every path of the API that takes something, and its methods. */
  const routesWithIds = async () => {
    const document = (await (await open().request('/api/openapi.json')).json()) as { paths: Record<string, object> }
    return Object.entries(document.paths)
      .filter(([path]) => path.includes('{'))
      .flatMap(([path, methods]) =>
        Object.entries(methods as Record<string, { responses: object }>).map(([method, { responses }]) => ({
          ...{ path, method: method.toUpperCase(), responses },
        })),
      )
  }

  it.each([
    ['%00', /address/],
    ['a%00b', /address/],
    ['%0a', /address/],
    ['a%1b[2J', /address/],
    ['%E2%80%AE', /address/],
    ['%ff', /address/],
    ['%ED%A0%80', /address/],
    ['%zz', /address/],
    ['a%20b', /:/],
    ['%C3%A9', /:/],
    ['%27%20or%201=1', /:/],
    ['a'.repeat(129), /:/],
    ['..%2f..%2fcoordinator.key', /:/],
  ])('that is %j is refused everywhere', async (hostile, message) => {
    const { request } = open()
    const routes = await routesWithIds()
    expect(routes.length).toBeGreaterThan(15)
    for (const { responses } of routes) expect(responses).toHaveProperty('400')
    for (const { path, method } of routes) {
      const response = await request(path.replaceAll(/\{\w+\}/g, hostile), {
        method,
        ...(method === 'GET' ? {} : { body: '{}', headers: { 'Content-Type': 'application/json' } }),
      })
      const { error } = (await response.json()) as { error: { code: string; message: string } }
      expect([method, path, response.status, error]).toEqual([
        method,
        path,
        400,
        { code: 'usage', message: expect.stringMatching(message) as string },
      ])
    }
  })

  it('that nobody has is not found', async () => {
    const { request } = open()
    for (const path of ['/api/runs/nobody', '/api/runs/20260102-030405-0a1b2c/report.json']) {
      expect((await request(path)).status).toBe(404)
    }
  })
})

it('says nothing of its insides when it breaks', async () => {
  const broken = {
    ...bench.start(),
    agents: () => {
      throw new Error('secret inside')
    },
  }
  const log: string[] = []
  const { request } = open({ log: (line) => log.push(line) }, broken)
  const response = await request('/api/health')
  expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining('secret')])
  expect(log.join()).toContain('secret inside')
})
