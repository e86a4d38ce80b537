import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFakeAgent, fakeKey } from '../test/fake-agent.ts'
import { agentRecord } from '../test/scheduler-harness.ts'
import { f32 } from '../test/synthetic-run.ts'
import { completedWith } from '../test/fake-agent.ts'
import { digestOf } from '../shared/digest.ts'
import { agentEndpoint } from '../shared/messages.ts'
import { connectWebSocket } from '../shared/transports/websocket.ts'
import { enrolOverLine } from '../agent/enrolment/enrol.ts'
import { defaultSpoolRecords } from '../agent/spool/spool.ts'
import { parseToken } from '../shared/enrolment.ts'
import { messageOf } from '../shared/errors.ts'
import { agentIdOf } from '../shared/keys.ts'
import { createdTokenSchema } from './api/schemas.ts'
import { connectCoordinator } from './client/client.ts'
import { sending } from './client/http.ts'
import { createPeopleClient } from './client/people.ts'
import { watchToEnd } from './client/progress.ts'
import { type Coordinator, startCoordinator } from './server.ts'
import { journalPath, readJournal } from './store/index.ts'

let storeDir: string
let coordinator: Coordinator
const log: string[] = []
beforeAll(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'bitfleet-server-'))
  coordinator = await startCoordinator({ storeDir, host: '127.0.0.1', port: 0, log: (line) => log.push(line) })
}, 120_000)
afterAll(async () => {
  await coordinator.stop()
  await rm(storeDir, { recursive: true })
}, 60_000)

const privacy = async (path: string) => (await stat(path)).mode & 0o777

describe('a coordinator', () => {
  it('keeps its key, token and address for its owner alone, and out of the log', async () => {
    for (const file of ['coordinator.key', 'api.token', 'coordinator.json']) {
      expect(await privacy(join(storeDir, file))).toBe(0o600)
    }
    const apiToken = await readFile(coordinator.apiTokenFile, 'utf8')
    expect(Buffer.from(apiToken.trim(), 'base64url')).toHaveLength(32)
    expect(log.join('\n')).not.toContain(apiToken.trim())
  })

  it('shares neither its store nor its port', async () => {
    const second = { host: '127.0.0.1', log: () => {} }
    await expect(startCoordinator({ ...second, storeDir, port: 0 })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`held by process ${process.pid}`),
    })
    const other = await mkdtemp(join(tmpdir(), 'bitfleet-server-'))
    const port = Number(new URL(coordinator.url).port)
    await expect(startCoordinator({ ...second, storeDir: other, port })).rejects.toMatchObject({ code: 'conflict' })
    await rm(other, { recursive: true })
  }, 60_000)

  it('serves its pages', async () => {
    const page = await fetch(coordinator.url)
    expect([page.url, page.status]).toEqual([`${coordinator.url}/sign-in`, 200])
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain('bitfleet people add NAME --role admin')
  })

  it('turns an agent away that is not enrolled', async () => {
    const agent = createFakeAgent(await connectWebSocket(coordinator.url + agentEndpoint), agentRecord('a-1'))
    await agent.hello()
    await agent.prove()
    expect((await agent.next('refused')).reason).toContain('not enrolled here')
    await agent.line.closed
    expect(await (await connectCoordinator({ storeDir })).listAgents()).toEqual([])
  })

  it('takes 50 uses of one token at once from as many keys as one, and refuses the others', async () => {
    const { token } = await (await connectCoordinator({ storeDir })).read(
      '/api/tokens',
      createdTokenSchema,
      sending('POST', {}),
    )
    const uses = await Promise.allSettled(
      Array.from({ length: 50 }, async (_, i) =>
        enrolOverLine(await connectWebSocket(coordinator.url + agentEndpoint), {
          ...{ key: fakeKey(`racer ${i}`), token: parseToken(token), name: `racer-${i}`, labels: {} },
        }),
      ),
    )
    const refused = uses.flatMap((use) => (use.status === 'rejected' ? [messageOf(use.reason)] : []))
    expect([uses.length - refused.length, refused.length]).toEqual([1, 49])
    expect(refused.every((reason) => reason.includes('used already, by another key'))).toBe(true)
    const kinds: string[] = []
    await readJournal(journalPath(storeDir), ({ record }) => void kinds.push(record.kind))
    expect(kinds.filter((kind) => kind === 'agent-enrolled')).toHaveLength(1)
    expect(kinds.filter((kind) => kind === 'enrolment-refused')).toHaveLength(49)
    // The token itself is nowhere in the store.
    const journal = await readFile(journalPath(storeDir), 'utf8')
    expect(journal).not.toContain(token.slice(5, 48))
  }, 60_000)

  it('takes an agent that brings as many results as a spool holds', async () => {
    const client = await connectCoordinator({ storeDir })
    const { token } = await client.read('/api/tokens', createdTokenSchema, sending('POST', {}))
    const key = fakeKey('long away')
    const line = () => connectWebSocket(coordinator.url + agentEndpoint)
    const id = agentIdOf(key.publicKey)
    await enrolOverLine(await line(), { key, token: parseToken(token), name: 'long-away', labels: {} })
    const agent = createFakeAgent(await line(), agentRecord(id), key)
    const held = (i: number) => ({ job: `20260102-120000-abcdef/c-${String(i).padStart(12, '0')}/0`, attempt: 1 })
    const holding = Array.from({ length: defaultSpoolRecords }, (_, i) => held(i))
    // More than a line may bring that is not proven.
    expect(JSON.stringify(holding).length).toBeGreaterThan(1 << 20)
    await agent.comeIn(holding)
    expect((await agent.next('cancel')).job).toBe(held(0).job)
    expect((await client.listAgents()).map(({ name }) => name)).toEqual(['long-away'])
    agent.line.close()
    await agent.line.closed
  }, 60_000)
})

describe('people', () => {
  const password = 'correct horse battery'
  const enter = (name: string) =>
    fetch(`${coordinator.url}/sign-in`, {
      ...{ method: 'POST', redirect: 'manual' },
      body: new URLSearchParams({ name, password }),
      headers: { Origin: coordinator.url },
    })

  it('are there again after a restart, with their tokens, and sign in anew', async () => {
    expect(coordinator.lacksAdmin).toBe(true)
    const people = createPeopleClient(await connectCoordinator({ storeDir }))
    await people.add('alice', 'admin', password)
    await people.add('victor', 'viewer', password)
    const { token, id } = await people.createToken({ role: 'operator', title: 'ci' })
    const entered = await enter('alice')
    const cookie = (entered.headers.get('set-cookie') ?? '').split(';')[0] as string
    const home = (headers: Record<string, string>) => fetch(coordinator.url, { headers, redirect: 'manual' })
    expect((await home({ cookie })).status).toBe(200)
    const tokenFile = join(storeDir, 'ci.token')
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600 })

    const port = Number(new URL(coordinator.url).port)
    await coordinator.stop()
    coordinator = await startCoordinator({ storeDir, host: '127.0.0.1', port, log: (line) => log.push(line) })
    expect(coordinator.lacksAdmin).toBe(false)
    expect((await home({ cookie })).status).toBe(303)
    expect((await enter('victor')).status).toBe(303)
    const again = createPeopleClient(await connectCoordinator({ storeDir }))
    expect((await again.list()).map(({ name, role }) => `${name} ${role}`)).toEqual(['alice admin', 'victor viewer'])
    const ci = await connectCoordinator({ storeDir, tokenFile })
    expect(await (await ci.request('/api/me')).json()).toEqual({ by: `api-token:${id}`, title: 'ci', role: 'operator' })
    await expect(createPeopleClient(ci).list()).rejects.toMatchObject({
      code: 'refused',
      message: 'this needs the role admin, and ci is operator',
    })
    expect(log.join('\n')).not.toContain(token)
    await again.revokeToken(id)
    await expect(ci.request('/api/me')).rejects.toMatchObject({ code: 'refused' })
    await again.remove('victor')
    expect((await enter('victor')).status).toBe(403)
    await expect(again.remove('alice')).rejects.toMatchObject({ code: 'conflict' })
  }, 120_000)
})

describe('a client', () => {
  it('takes a run with an array of its own from submission to report', async () => {
    const client = await connectCoordinator({ storeDir })
    expect(client.url).toBe(coordinator.url)
    const key = fakeKey('one')
    const { token } = await client.read(
      '/api/tokens',
      createdTokenSchema,
      sending('POST', { labels: { site: 'lab-3' } }),
    )
    const connect = () => connectWebSocket(coordinator.url + agentEndpoint)
    const wish = { key, token: parseToken(token), name: 'one', labels: { rack: '1' } }
    expect(await enrolOverLine(await connect(), wish)).toMatchObject({ sequence: 0 })
    // What a crash between the answer and its being written makes an agent do.
    expect(await enrolOverLine(await connect(), wish)).toMatchObject({ sequence: 0 })
    const id = agentIdOf(key.publicKey)
    const agent = createFakeAgent(await connect(), { ...agentRecord('a-1'), id }, key)
    await agent.comeIn()
    expect(await client.listAgents()).toMatchObject([{ id, labels: { site: 'lab-3', rack: '1' } }])

    const array = f32([1, 2, 3, 4])
    const digest = digestOf(array.bytes)
    const plan = `name: own\nworkloads:\n  - reduce.sum: { dtype: f32, input: { file: u.npy, digest: "${digest}" } }\nfactors: { backend: [js] }\n`
    const inputs = [{ digest, dtype: 'f32' as const, shape: [4] }]
    const sum = f32([10], [])
    agent.work(() =>
      completedWith([
        ['input', array],
        ['sum', sum],
      ]),
    )
    const run = await client.submitRun({
      plan,
      fileName: 'own.yaml',
      inputs,
      payloads: new Map([[digest, array.bytes]]),
    })

    const talk: string[] = []
    const stream = { write: (text: string) => talk.push(text), isTTY: false } as unknown as NodeJS.WriteStream
    await watchToEnd(client, run, { stream })
    expect(talk.join('')).toMatch(/2 of 2 executions\nrun .*: comparing\n$/)
    expect(talk.join('')).not.toContain('\u001b')
    const report = await client.getReport(run)
    expect(report.verdict).toBe('nothing compared')
    const artifacts = client.artifacts(run)
    expect(await artifacts.tensor(digest)).toEqual(array.bytes)
    // Never asked for by a comparison: it comes from the agent.
    expect(await artifacts.tensor(digestOf(sum.bytes))).toEqual(sum.bytes)
    expect(await artifacts.tensor(`sha256:${'0'.repeat(64)}`)).toBeUndefined()
    expect(await artifacts.trace(report.cells[0]?.traces[0] as string)).toContain('"name":"sum"')
    expect(await artifacts.trace('0'.repeat(64))).toBeUndefined()
    agent.line.close()
  }, 60_000)

  it('passes on what the coordinator says is wrong', async () => {
    const client = await connectCoordinator({ storeDir })
    const submission = { plan: 'name: x\nworkloads: 3\n', fileName: 'my.yaml', inputs: [], payloads: new Map() }
    await expect(client.submitRun(submission)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('my.yaml:2'),
    })
    await expect(client.getReport('none')).rejects.toMatchObject({ code: 'not-found' })
    await expect(client.watchRun('none')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'not-found' })
    await expect(client.cancelRun('../../health')).rejects.toMatchObject({ code: 'usage' })
  })

  it('sends this machine’s token to no other coordinator', async () => {
    const client = await connectCoordinator({ storeDir, url: coordinator.url.replace('127.0.0.1', 'localhost') })
    await expect(client.cancelRun('none')).rejects.toMatchObject({ code: 'refused' })
  })

  it('says where there is none', async () => {
    const nowhere = await mkdtemp(join(tmpdir(), 'bitfleet-nowhere-'))
    await expect(connectCoordinator({ storeDir: nowhere })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('bitfleet coordinator'),
    })
    await rm(nowhere, { recursive: true })
    const client = await connectCoordinator({ storeDir, url: 'http://127.0.0.1:9' })
    await expect(client.listAgents()).rejects.toMatchObject({ code: 'unavailable' })
    await expect(connectCoordinator({ url: 'file:///etc/passwd' })).rejects.toMatchObject({ code: 'usage' })
  })
})
