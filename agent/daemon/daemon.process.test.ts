import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { type Digest, digestOf } from '../../shared/digest.ts'
import {
  type AgentMessage,
  agentEndpoint,
  agentMessageSchema,
  type CoordinatorMessage,
  type Job,
} from '../../shared/messages.ts'
import { parseTrace } from '../../shared/trace.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { createWebSocketServer } from '../../shared/transports/websocket.ts'
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-daemon-'))
afterAll(() => rmSync(folder, { recursive: true }))
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

type Received = { readonly message: AgentMessage; readonly body?: Uint8Array }
type Result = Extract<AgentMessage, { type: 'result' }>

/** The coordinator's side of one line, told what to say by a test. */
interface Visit {
  readonly connection: Connection
  say(message: CoordinatorMessage, body?: Uint8Array): Promise<void>
  next<Type extends AgentMessage['type']>(
    type: Type,
  ): Promise<{ message: Extract<AgentMessage, { type: Type }>; body?: Uint8Array }>
}

/** A coordinator on a port of its own; `visits` are the lines that agents open, in order. */
async function coordinator() {
  const http = createServer((_, response) => response.writeHead(404).end())
  const server = createWebSocketServer()
  const arrived: Visit[] = []
  let wake = () => {}
  server.attach(http, agentEndpoint, (connection) => {
    connection.proven()
    const frames = connection.frames[Symbol.asyncIterator]()
    arrived.push({
      connection,
      say: (message, body) => connection.send(message, body),
      async next(type) {
        const { value, done } = await frames.next()
        if (done) throw new Error('the agent closed the line')
        const { message, body } = value as Received
        const parsed = agentMessageSchema.parse(message)
        expect(parsed.type).toBe(type)
        return { message: parsed as Extract<AgentMessage, { type: typeof type }>, body }
      },
    })
    wake()
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.close()
    http.close()
  })
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const visit = async (): Promise<Visit> => {
    for (;;) {
      const next = arrived.shift()
      if (next !== undefined) return next
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  /** The next line, its hello answered. */
  const welcome = async () => {
    const next = await visit()
    const { message } = await next.next('hello')
    await next.say({ type: 'welcome', protocol: 1, coordinator: 'test' })
    return { ...next, hello: message }
  }
  return { http, url, visit, welcome }
}

let folders = 0
async function agent(url: string, changes: Partial<DaemonOptions> = {}): Promise<Daemon> {
  const modules = ['faulty', 'misbehaving', 'workloads'].map((name) =>
    join(import.meta.dirname, `../../test/fixtures/runner-modules/${name}.mjs`),
  )
  const daemon = await startDaemon({
    url,
    token: 'secret',
    name: 'test',
    labels: { site: 'lab-3' },
    stateDir: join(folder, `state-${folders++}`),
    slots: 1,
    config: { environment: { PATH: process.env.PATH }, runnerModules: modules },
    log: () => {},
    ...changes,
  })
  cleanups.push(() => daemon.stop())
  return daemon
}

function job(id: string, knobs: Job['condition']['knobs'] = {}, changes: Partial<Job> = {}): Job {
  return {
    ...{ id, attempt: 1, run: 'r', cell: 'c', repetition: 0, workload: 'reduce.sum', workloadVersion: 1 },
    params: { dtype: 'f32', n: 100 },
    seed: '42',
    condition: { backend: 'misbehaving', device: 'cpu', knobs },
    inputs: [],
    limits: { timeMs: 60_000, memoryBytes: 2 ** 32 },
    ...changes,
  }
}

function fetchAll(digest: Digest, visit: Visit): Promise<Uint8Array> {
  return (async () => {
    await visit.say({ type: 'want', digest })
    const pieces: Uint8Array[] = []
    for (let received = 0, total = 1; received < total; ) {
      const { message, body } = await visit.next('piece')
      expect(message).toMatchObject({ digest, offset: received })
      pieces.push(body as Uint8Array)
      received += (body as Uint8Array).byteLength
      total = message.total
    }
    return Buffer.concat(pieces)
  })()
}

describe('an agent', () => {
  it('introduces itself, runs a job, and hands over result, trace and tensors', async () => {
    const { url, welcome } = await coordinator()
    const daemon = await agent(url, { stateDir: relative(process.cwd(), join(folder, 'relative')) })
    const line = await welcome()
    expect(line.hello).toMatchObject({
      protocol: 1,
      token: 'secret',
      agent: { name: 'test', labels: { site: 'lab-3' }, slots: 1 },
    })
    expect(line.hello.agent.id).toMatch(/^a-[0-9a-f]{16}$/)
    expect(line.hello.agent.backends.find(({ id }) => id === 'js')?.status).toBe('ready')

    await line.say({ type: 'job', job: job('one', {}, { params: { dtype: 'f64', n: 200_000 } }) })
    const { message, body } = await line.next('result')
    expect(message).toMatchObject({ job: 'one', attempt: 1, execution: { outcome: { status: 'completed' } } })
    const trace = parseTrace(new TextDecoder().decode(body))
    expect(trace.digest).toBe(message.execution.trace)
    for (const { digest } of trace.checkpoints) expect(digestOf(await fetchAll(digest, line))).toBe(digest)
    await line.say({ type: 'want', digest: digestOf('never made') })
    expect((await line.next('missing')).message.digest).toBe(digestOf('never made'))
    await daemon.stop()
    await daemon.done
  })

  it('runs as many at a time as it has slots', async () => {
    const { url, welcome } = await coordinator()
    await agent(url, { slots: 2 })
    const line = await welcome()
    await line.say({ type: 'job', job: job('sleeps', { deed: 'sleep' }) })
    await line.say({ type: 'job', job: job('ends') })
    expect((await line.next('result')).message.job).toBe('ends')
    line.connection.close()
  })

  it('cancels what runs and what waits', async () => {
    const { url, welcome } = await coordinator()
    await agent(url)
    const line = await welcome()
    await line.say({ type: 'job', job: job('runs', { deed: 'sleep' }) })
    await line.say({ type: 'job', job: job('waits') })
    await line.say({ type: 'cancel', job: 'waits' })
    await line.say({ type: 'cancel', job: 'runs' })
    await line.say({ type: 'cancel', job: 'unknown' })
    const results = [(await line.next('result')).message, (await line.next('result')).message]
    expect(results.map(({ job: id, execution }) => [id, execution.outcome.status])).toEqual([
      ['waits', 'cancelled'],
      ['runs', 'cancelled'],
    ])
  })

  it('keeps a result made while there was no line, until it is acknowledged', async () => {
    const { url, welcome } = await coordinator()
    await agent(url)
    const first = await welcome()
    await first.say({ type: 'job', job: job('while away', { deed: 'none' }) })
    first.connection.close('a broken line')
    const second = await welcome()
    const before = (await second.next('result')).message
    expect(before).toMatchObject({ job: 'while away', execution: { outcome: { status: 'completed' } } })
    second.connection.close('broken again, before it was acknowledged')

    const third = await welcome()
    const again = (await third.next('result')).message
    expect(again).toEqual(before)
    await third.say({ type: 'acknowledged', job: 'while away', attempt: 1 })
    await third.say({ type: 'job', job: job('later') })
    expect((await third.next('result')).message.job).toBe('later')
    await third.say({ type: 'acknowledged', job: 'later', attempt: 1 })
    third.connection.close('and again')

    const fourth = await welcome()
    await fourth.say({ type: 'job', job: job('last') })
    expect((await fourth.next('result')).message.job).toBe('last')
  })

  it('does not run a job twice that it is sent twice', async () => {
    const { url, welcome } = await coordinator()
    await agent(url)
    const line = await welcome()
    for (let i = 0; i < 3; i++) await line.say({ type: 'job', job: job('same', { deed: 'none' }) })
    const { message } = await line.next('result')
    await line.say({ type: 'job', job: job('same', { deed: 'none' }) })
    expect((await line.next('result')).message).toEqual(message)
  })

  it('fetches inputs by digest, over a line that breaks, and checks them', async () => {
    const { url, welcome } = await coordinator()
    await agent(url, { slots: 3 })
    const bytes = new Uint8Array(3 << 20).map((_, i) => i * 7)
    const inputs = (content: Uint8Array): Partial<Job> => {
      const digest = digestOf(content)
      return {
        ...{ workload: 'test.echo', params: { arrays: [digest] } },
        inputs: [{ digest, dtype: 'u8', shape: [content.byteLength] }],
      }
    }
    const digest = digestOf(bytes)
    const piece = (offset: number) => ({ type: 'piece', digest, offset, total: bytes.byteLength }) as const
    const first = await welcome()
    await first.say({ type: 'job', job: job('with input', {}, inputs(bytes)) })
    expect((await first.next('want')).message.digest).toBe(digest)
    await first.say(piece(0), bytes.subarray(0, 1 << 20))
    first.connection.close('broken in the middle')

    const second = await welcome()
    expect((await second.next('want')).message.digest).toBe(digest)
    for (let at = 0; at < bytes.byteLength; at += 1 << 20)
      await second.say(piece(at), bytes.subarray(at, at + (1 << 20)))
    const { message } = await second.next('result')
    expect(message.execution).toMatchObject({ outcome: { status: 'completed' }, outputs: [{ digest }] })
    // The next one finds it in the cache.
    await second.say({ type: 'job', job: job('again', {}, inputs(bytes)) })
    expect((await second.next('result')).message.job).toBe('again')

    const other = Uint8Array.of(1, 2, 3)
    await second.say({ type: 'job', job: job('lied to', {}, inputs(other)) })
    await second.next('want')
    await second.say({ type: 'piece', digest: digestOf(other), offset: 0, total: 3 }, Uint8Array.of(1, 2, 4))
    expect(outcome((await second.next('result')).message)).toMatchObject({ status: 'failed', code: 'digest-mismatch' })
    await second.say({ type: 'job', job: job('without', {}, inputs(Uint8Array.of(9))) })
    await second.next('want')
    await second.say({ type: 'missing', digest: digestOf(Uint8Array.of(9)), reason: 'gone' })
    expect(outcome((await second.next('result')).message)).toMatchObject({ status: 'failed', code: 'not-found' })
  })

  it('is not stopped by what it does not understand', async () => {
    const { url, welcome } = await coordinator()
    const logged: string[] = []
    await agent(url, { log: (line) => logged.push(line) })
    const line = await welcome()
    await line.connection.send({ type: 'dance' })
    await line.connection.send([null])
    await line.say({ type: 'job', job: job('after') })
    expect((await line.next('result')).message.job).toBe('after')
    expect(logged.filter((text) => text.includes('does not have'))).toHaveLength(2)
  })

  it('reports what it cancels when it is told to stop', async () => {
    const { url, welcome } = await coordinator()
    const daemon = await agent(url)
    const line = await welcome()
    await line.say({ type: 'job', job: job('runs', { deed: 'sleep' }) })
    // Answered after the job was taken.
    await line.say({ type: 'want', digest: digestOf('never made') })
    await line.next('missing')
    const stopped = daemon.stop()
    const { message } = await line.next('result')
    expect(outcome(message)).toEqual({ status: 'cancelled' })
    await line.say({ type: 'acknowledged', job: 'runs', attempt: 1 })
    await stopped
    await daemon.done
    expect(await line.connection.closed).toBe('the agent is stopping')
  })

  it('ends when its token is refused', async () => {
    const { url, visit } = await coordinator()
    const daemon = await agent(url)
    const line = await visit()
    await line.next('hello')
    await line.say({ type: 'refused', reason: 'the token is not ours' })
    await expect(daemon.done).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/the token is not ours/),
    })
  })

  it('comes back to a coordinator whose proxy turned it away for a while, once it was welcome there', async () => {
    const { http, url, welcome } = await coordinator()
    const logged: string[] = []
    await agent(url, { log: (line) => logged.push(line) })
    const first = await welcome()
    const takers = http.listeners('upgrade') as ((...args: unknown[]) => void)[]
    http.removeAllListeners('upgrade')
    http.once('upgrade', (_request, stream) => {
      for (const taker of takers) http.on('upgrade', taker)
      stream.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
    first.connection.close('restarting')
    await welcome()
    expect(logged.join('\n')).toContain('403 Forbidden')
  })

  it('is itself again after a restart, and only once at a time', async () => {
    const { url, welcome } = await coordinator()
    const stateDir = join(folder, 'shared-state')
    const daemon = await agent(url, { stateDir })
    await welcome()
    await expect(agent(url, { stateDir })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(new RegExp(`process ${process.pid};.*--name OTHER.*BITFLEET_STATE`)),
    })
    await daemon.stop()
    await daemon.done
    const again = await agent(url, { stateDir })
    expect(again.agent.id).toBe(daemon.agent.id)
  })

  it('waits for a coordinator that is not there, until it is stopped', async () => {
    const logged: string[] = []
    const daemon = await agent('http://127.0.0.1:1', { log: (line) => logged.push(line) })
    while (!logged.some((line) => line.includes('cannot be reached')))
      await new Promise((resolve) => setTimeout(resolve, 20))
    await daemon.stop()
    await expect(daemon.done).resolves.toBeUndefined()
  })

  it('refuses an address that is none', async () => {
    await expect(agent('lab.example')).rejects.toMatchObject({ code: 'usage' })
    await expect(agent('ftp://lab.example')).rejects.toMatchObject({ code: 'usage' })
  })
})

function outcome({ execution }: Result) {
  return execution.outcome
}
