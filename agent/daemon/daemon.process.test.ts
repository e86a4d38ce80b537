import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import { parseTrace } from '../../shared/trace.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { createWebSocketServer } from '../../shared/transports/websocket.ts'
import { coordinatorKey, fakeKey } from '../../test/fake-agent.ts'
import { readEnrolment, writeEnrolment } from '../enrolment/enrolment-file.ts'
import { openIdentity } from '../enrolment/identity.ts'
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
  /** Signs a job for whoever introduced itself. */
  give(job: Job): Promise<void>
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
    const say: Visit['say'] = (message, body) => connection.send(message, body)
    let agentId = ''
    arrived.push({
      connection,
      say,
      give(planned) {
        const given = { ...planned, agent: planned.agent || agentId }
        return say({ type: 'job', job: given, signature: signPayload('bitfleet/job@1', given, coordinatorKey) })
      },
      async next(type) {
        const { value, done } = await frames.next()
        if (done) throw new Error('the agent closed the line')
        const { message, body } = value as Received
        const parsed = agentMessageSchema.parse(message)
        if (parsed.type === 'hello') agentId = parsed.agent
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
    const { message: hello } = await next.next('hello')
    await next.say(challengeOf(hello))
    const { message: proof } = await next.next('proof')
    await next.say({ type: 'welcome', protocol: 2, coordinator: 'test', standing: 'enrolled', labels: {} })
    const { message: held } = await next.next('holding')
    return { ...next, hello, proof, held }
  }
  return { http, url, visit, welcome }
}

function challengeOf(
  { agent: id, nonce: agentNonce }: Extract<AgentMessage, { type: 'hello' }>,
  changes: { at?: string; agentNonce?: string; key?: typeof coordinatorKey } = {},
): Extract<CoordinatorMessage, { type: 'challenge' }> {
  const { key = coordinatorKey, ...said } = changes
  const proof = {
    ...{ agent: id, agentNonce, at: new Date().toISOString(), by: 'coordinator' as const, nonce: '2'.repeat(32) },
    ...said,
  }
  const signature = signPayload('bitfleet/challenge@1', proof, key)
  return { type: 'challenge', protocol: 2, proof, key: key.publicKey, signature }
}

let folders = 0
async function agent(url: string, changes: Partial<DaemonOptions> = {}): Promise<Daemon> {
  const modules = ['faulty', 'misbehaving', 'workloads'].map((name) =>
    join(import.meta.dirname, `../../test/fixtures/runner-modules/${name}.mjs`),
  )
  const stateDir = changes.stateDir ?? join(folder, `state-${folders++}`)
  mkdirSync(stateDir, { recursive: true })
  const state = { coordinator: coordinatorKey.publicKey, url, name: 'test', labels: {}, sequence: 0, mark: '' }
  if (!readEnrolment(stateDir)) writeEnrolment(stateDir, state)
  const daemon = await startDaemon({
    url,
    name: 'test',
    labels: { site: 'lab-3' },
    stateDir,
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
    ...{ agent: '', nonce: randomBytes(16).toString('hex'), expiresAt: new Date(Date.now() + 60_000).toISOString() },
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
    expect(line.hello).toMatchObject({ protocol: 2, oldest: 2, agent: daemon.agent.id })
    expect(line.hello.agent).toMatch(/^a-[0-9a-f]{16}$/)
    expect(line.proof.agent).toMatchObject({ name: 'test', labels: { site: 'lab-3' }, slots: 1 })
    expect(line.proof.agent.backends.find(({ id }) => id === 'js')?.status).toBe('ready')

    await line.give(job('one', {}, { params: { dtype: 'f64', n: 200_000 } }))
    const { message, body } = await line.next('result')
    expect(message).toMatchObject({ job: 'one', attempt: 1, execution: { outcome: { status: 'completed' } } })
    const { publicKey } = openIdentity(join(folder, 'relative'))
    expect(isSignedBy(publicKey, 'bitfleet/result@1', message.statement, message.signature)).toBe(true)
    expect(message.statement.artifacts.map(({ length }) => length).sort((a, b) => a - b)).toEqual([8, 1_600_000])
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
    await line.give(job('sleeps', { deed: 'sleep' }))
    await line.give(job('ends'))
    expect((await line.next('result')).message.job).toBe('ends')
    line.connection.close()
  })

  it('cancels what runs and what waits', async () => {
    const { url, welcome } = await coordinator()
    await agent(url)
    const line = await welcome()
    await line.give(job('runs', { deed: 'sleep' }))
    await line.give(job('waits'))
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
    await first.give(job('while away', { deed: 'none' }))
    first.connection.close('a broken line')
    const second = await welcome()
    const before = (await second.next('result')).message
    expect(before).toMatchObject({ job: 'while away', execution: { outcome: { status: 'completed' } } })
    second.connection.close('broken again, before it was acknowledged')

    const third = await welcome()
    const again = (await third.next('result')).message
    expect(again).toEqual(before)
    await third.say({ type: 'acknowledged', job: 'while away', attempt: 1 })
    await third.give(job('later'))
    expect((await third.next('result')).message.job).toBe('later')
    await third.say({ type: 'acknowledged', job: 'later', attempt: 1 })
    third.connection.close('and again')

    const fourth = await welcome()
    await fourth.give(job('last'))
    expect((await fourth.next('result')).message.job).toBe('last')
  })

  it('does not run a job twice that it is sent twice', async () => {
    const { url, welcome } = await coordinator()
    await agent(url)
    const line = await welcome()
    const same = job('same', { deed: 'none' })
    for (let i = 0; i < 3; i++) await line.give(same)
    const { message } = await line.next('result')
    await line.give(same)
    expect((await line.next('result')).message).toEqual(message)
  })

  it('fetches inputs by digest, over a line that breaks, and checks them', async () => {
    const { url, welcome } = await coordinator()
    await agent(url, { slots: 3 })
    const bytes = new Uint8Array(3 << 20).map((_, i) => i * 7)
    const inputs = (content: Uint8Array): Partial<Job> => {
      const array = { digest: digestOf(content), dtype: 'u8' as const, shape: [content.byteLength] }
      return { workload: 'test.echo', params: { arrays: [array] }, inputs: [array] }
    }
    const digest = digestOf(bytes)
    const piece = (offset: number) => ({ type: 'piece', digest, offset, total: bytes.byteLength }) as const
    const first = await welcome()
    await first.give(job('with input', {}, inputs(bytes)))
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
    await second.give(job('again', {}, inputs(bytes)))
    expect((await second.next('result')).message.job).toBe('again')

    const other = Uint8Array.of(1, 2, 3)
    await second.give(job('lied to', {}, inputs(other)))
    await second.next('want')
    await second.say({ type: 'piece', digest: digestOf(other), offset: 0, total: 3 }, Uint8Array.of(1, 2, 4))
    expect(outcome((await second.next('result')).message)).toMatchObject({ status: 'failed', code: 'digest-mismatch' })
    await second.give(job('without', {}, inputs(Uint8Array.of(9))))
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
    await line.give(job('after'))
    expect((await line.next('result')).message.job).toBe('after')
    expect(logged.filter((text) => text.includes('does not have'))).toHaveLength(2)
  })

  it('reports what it cancels when it is told to stop', async () => {
    const { url, welcome } = await coordinator()
    const daemon = await agent(url)
    const line = await welcome()
    await line.give(job('runs', { deed: 'sleep' }))
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

  it('ends when it is refused', async () => {
    const { url, visit } = await coordinator()
    const daemon = await agent(url)
    const line = await visit()
    await line.next('hello')
    await line.say({ type: 'refused', reason: 'the key is not ours' })
    await expect(daemon.done).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/the key is not ours/),
    })
  })

  it.each<[string, Parameters<typeof challengeOf>[1], RegExp]>([
    ['of another key', { key: fakeKey('an impostor') }, /has the key .*this agent enrolled with/],
    ['replayed from another connection', { agentNonce: '3'.repeat(32) }, /not signed for this connection/],
  ])('talks to no coordinator %s', async (_, changes, sentence) => {
    const { url, visit } = await coordinator()
    const daemon = await agent(url)
    const line = await visit()
    await line.say(challengeOf((await line.next('hello')).message, changes))
    await expect(daemon.done).rejects.toThrow(sentence)
  })

  it('says in a sentence that the coordinator is of another release', async () => {
    const { url, visit } = await coordinator()
    const daemon = await agent(url)
    const line = await visit()
    const challenge = challengeOf((await line.next('hello')).message)
    await line.connection.send({ ...challenge, protocol: 9 })
    await expect(daemon.done).rejects.toThrow('the coordinator speaks protocol 9, this agent speaks 2')
  })

  it('refuses jobs that are not signed for it, or not of now, and says why', async () => {
    const { url, welcome } = await coordinator()
    await agent(url)
    const line = await welcome()
    const good = { ...job('one'), agent: line.hello.agent }
    const sign = (value: unknown, key = coordinatorKey) =>
      line.connection.send({ type: 'job', job: value, signature: signPayload('bitfleet/job@1', value, key) })
    const reasonOf = async (sent: Promise<void>) => {
      await sent
      const { message } = await line.next('refuse')
      expect(message).toMatchObject({ job: 'one', attempt: 1, later: false })
      return message.reason
    }
    expect(await reasonOf(sign(good, fakeKey('an impostor')))).toMatch(/not signed by this agent's coordinator/)
    const signature = signPayload('bitfleet/job@1', good, coordinatorKey)
    const tampered = { type: 'job', job: { ...good, seed: '43' }, signature }
    expect(await reasonOf(line.connection.send(tampered))).toMatch(/not signed/)
    expect(await reasonOf(sign({ ...good, agent: 'a-other' }))).toMatch(/it is for agent a-other/)
    expect(await reasonOf(sign({ ...good, expiresAt: '2020-01-01T00:00:00.000Z' }))).toMatch(/expired/)
    expect(await reasonOf(sign({ ...good, shell: 'rm' }))).toMatch(/shell/)
    expect(await reasonOf(sign({ ...good, limits: { ...good.limits, extra: 1 } }))).toMatch(/extra/)
  })

  it('judges when a job expires by the clock of the coordinator, whatever its own says', async () => {
    const { url, visit } = await coordinator()
    await agent(url)
    const line = await visit()
    const hourAgo = Date.now() - 3_600_000
    await line.say(challengeOf((await line.next('hello')).message, { at: new Date(hourAgo).toISOString() }))
    await line.next('proof')
    await line.say({ type: 'welcome', protocol: 2, coordinator: 'test', standing: 'enrolled', labels: {} })
    await line.next('holding')
    await line.give(job('of that hour', { deed: 'none' }, { expiresAt: new Date(hourAgo + 60_000).toISOString() }))
    expect((await line.next('result')).message.job).toBe('of that hour')
    await line.give(job('before it', {}, { expiresAt: new Date(hourAgo - 60_000).toISOString() }))
    expect((await line.next('refuse')).message.reason).toMatch(/expired/)
  })

  it('hands in after a restart what it made before, takes no job twice, and tells of what was damaged', async () => {
    const { url, welcome } = await coordinator()
    const stateDir = join(folder, 'restarted')
    const first = await agent(url, { stateDir })
    const line = await welcome()
    const [made, lost] = [job('made', { deed: 'none' }), job('lost', { deed: 'none' })]
    await line.give(made)
    const { message: result } = await line.next('result')
    await line.give(lost)
    await line.next('result')
    await first.stop()
    await first.done
    writeFileSync(join(stateDir, 'spool', 'results', 'lost@1.result'), 'overwritten')

    await agent(url, { stateDir })
    const again = await welcome()
    expect(again.held.jobs).toEqual([{ job: 'made', attempt: 1 }])
    expect((await again.next('refuse')).message).toMatchObject({
      ...{ job: 'lost', attempt: 1, later: false },
      reason: expect.stringMatching(/damaged on the disk of this agent/),
    })
    // To the letter, with its signature.
    expect((await again.next('result')).message).toEqual(result)
    await again.say({ type: 'acknowledged', job: 'made', attempt: 1 })
    await again.give(made)
    expect((await again.next('refuse')).message).toMatchObject({
      ...{ job: 'made', later: false },
      reason: expect.stringMatching(/nonce before/),
    })
  })

  it('takes no jobs over its quota, and says when it takes them again; drains when it is told to', async () => {
    const { url, welcome } = await coordinator()
    const daemon = await agent(url, { spoolBytes: 1 })
    const line = await welcome()
    await line.give(job('one', { deed: 'none' }))
    await line.next('result')
    await line.give(job('two'))
    expect((await line.next('refuse')).message).toMatchObject({
      ...{ job: 'two', attempt: 1, later: true },
      reason: expect.stringMatching(/spool of this agent is full/),
    })
    await line.say({ type: 'acknowledged', job: 'one', attempt: 1 })
    await line.next('ready')
    await line.give(job('three', { deed: 'none' }))
    // Answered after the job was taken.
    await line.say({ type: 'want', digest: digestOf('never made') })
    await line.next('missing')
    const drained = daemon.drain()
    await line.next('result')
    await line.give(job('four'))
    expect((await line.next('refuse')).message).toMatchObject({
      ...{ job: 'four', later: true },
      reason: 'this agent is draining',
    })
    await line.say({ type: 'rejected', job: 'three', attempt: 1, reason: 'a test' })
    await drained
    await daemon.done
  })

  it('goes on in the chain of its connections, and says one again that was not answered', async () => {
    const { url, visit, welcome } = await coordinator()
    const stateDir = join(folder, 'chain')
    await agent(url, { stateDir })
    const lost = await visit()
    await lost.say(challengeOf((await lost.next('hello')).message))
    const { renewal } = (await lost.next('proof')).message
    expect(renewal).toMatchObject({ sequence: 1, previous: '' })
    lost.connection.close('before the welcome')
    const second = await welcome()
    expect(second.proof.renewal).toEqual(renewal)
    await second.give(job('one', { deed: 'sleep' }))
    // Answered after the job was taken.
    await second.say({ type: 'want', digest: digestOf('never made') })
    await second.next('missing')
    second.connection.close('again')
    const third = await welcome()
    expect(third.proof.renewal).toMatchObject({ sequence: 2, previous: renewal.mark })
    expect(third.held.jobs).toEqual([{ job: 'one', attempt: 1 }])
    // Answered after the welcome was.
    await third.say({ type: 'want', digest: digestOf('never made') })
    await third.next('missing')
    expect(readEnrolment(stateDir)).toMatchObject({ sequence: 2, mark: third.proof.renewal.mark })
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

  it('is not ended by whoever listens at the address for a while, once it was welcome to its coordinator', async () => {
    const { url, visit, welcome } = await coordinator()
    const stateDir = join(folder, 'welcome-before')
    mkdirSync(stateDir)
    const key = coordinatorKey.publicKey
    const state = { coordinator: key, url, name: 'test', labels: {}, sequence: 3, mark: 'a'.repeat(32) }
    writeEnrolment(stateDir, state)
    const logged: string[] = []
    const daemon = await agent(url, { stateDir, log: (line) => logged.push(line) })
    const stranger = await visit()
    await stranger.next('hello')
    await stranger.say({ type: 'refused', reason: 'go away' })
    const impostor = await visit()
    await impostor.say(challengeOf((await impostor.next('hello')).message, { key: fakeKey('an impostor') }))
    const newer = await visit()
    await newer.next('hello')
    await newer.connection.send({ type: 'challenge', protocol: 9, newer: true })
    const line = await welcome()
    expect(line.proof.renewal).toMatchObject({ sequence: 4, previous: 'a'.repeat(32) })
    expect(logged.join('\n')).toMatch(/go away[^]*this agent enrolled with[^]*speaks protocol 9/)
    // What its own coordinator says once it has proved itself, holds.
    line.connection.close('restarting')
    const last = await visit()
    await last.say(challengeOf((await last.next('hello')).message))
    await last.next('proof')
    await last.say({ type: 'refused', reason: 'it is revoked' })
    await expect(daemon.done).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/revoked/) })
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
