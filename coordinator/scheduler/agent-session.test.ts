import { describe, expect, it, vi } from 'vitest'
import { createFakeAgent, fakeKey } from '../../test/fake-agent.ts'
import { createMemoryLine } from '../../test/memory-line.ts'
import { agentRecord, honest, planOf, schedulerHarness } from '../../test/scheduler-harness.ts'
import { digestOf } from '../../shared/digest.ts'
import type { KeyPair } from '../../shared/keys.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import { createTensor } from '../../shared/tensor.ts'
import { journalPath, readJournal } from '../store/index.ts'

const bench = schedulerHarness()

/** Why lines of an agent were refused, as the audit has it; of all agents, their names. */
async function refusalsOf(agent?: string): Promise<string[]> {
  const found: string[] = []
  await readJournal(journalPath(bench.store.dir), ({ record }) => {
    if (record.kind !== 'audit' || record.action !== 'refused a line as agent') return
    if (agent === undefined) found.push(record.subject)
    else if (record.subject === agent) found.push(record.detail ?? '')
  })
  return found
}

describe('a hello', () => {
  async function refusalOf(message: unknown): Promise<string> {
    const [near, far] = createMemoryLine()
    void bench.start().serve(near)
    const fake = createFakeAgent(far, agentRecord('a-1'))
    await far.send(message)
    const { reason } = await fake.next('refused')
    expect(await far.closed).toBe(reason)
    return reason
  }
  const hello = { type: 'hello', protocol: 2, oldest: 2, agent: 'a-1', nonce: '1'.repeat(32) }

  it.each([
    ['an older protocol', { type: 'hello', protocol: 1, token: 'x', agent: {} }, /protocol 2, the agent speaks 1/],
    ['a newer protocol', { ...hello, protocol: 5, oldest: 4, who: 'new' }, /protocol 2, the agent speaks 5/],
    ['a nonce that is none', { ...hello, nonce: 'x' }, /nonce/],
    ['something else first', { type: 'want', digest: digestOf('x') }, /hello/],
  ])('with %s is refused in a sentence', async (_, message, sentence) => {
    expect(await refusalOf(message)).toMatch(sentence)
  })

  it('of an agent that speaks newer protocols too is taken', async () => {
    await bench.enrol(agentRecord('a-1'))
    const [near, far] = createMemoryLine()
    void bench.start().serve(near)
    const fake = createFakeAgent(far, agentRecord('a-1'))
    await fake.hello({ protocol: 7, oldest: 1 })
    await fake.prove()
    expect(await fake.next('welcome')).toMatchObject({ protocol: 2, standing: 'enrolled' })
  })

  it('that does not come closes the line', async () => {
    const [near, far] = createMemoryLine()
    void bench.start({ helloMs: 10 }).serve(near)
    const silent = createFakeAgent(far, agentRecord('a-1'))
    expect(await far.closed).toMatch(/no proof/)
    // Late is not refused: the agent may try again.
    expect(silent.received).toEqual([])
  })

  it('that does not come does not keep a coordinator from ending', async () => {
    const [near, far] = createMemoryLine()
    const scheduler = bench.start({ helloMs: 60_000 })
    void scheduler.serve(near)
    await scheduler.stop()
    expect(await far.closed).toMatch(/stopping/)
  })

  it('without a proof closes the line, too', async () => {
    const [near, far] = createMemoryLine()
    void bench.start({ helloMs: 20 }).serve(near)
    await createFakeAgent(far, agentRecord('a-1')).hello()
    expect(await far.closed).toMatch(/no proof/)
  })
})

describe('a proof', () => {
  async function prove(agent: AgentRecord, changes: Record<string, unknown>, key?: KeyPair): Promise<string> {
    await bench.enrol(agent)
    const [near, far] = createMemoryLine()
    void bench.start().serve(near)
    const fake = createFakeAgent(far, agent, key)
    await fake.hello()
    await fake.prove(changes)
    return (await fake.next('refused')).reason
  }

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['another agent’s record', { agent: agentRecord('a-2') }, /another agent than the hello/],
    [
      'a record changed after it was signed',
      { agent: { ...agentRecord('a-1'), slots: 9 } },
      /not enrolled .* with this key/,
    ],
    ['no signature', { signature: '0'.repeat(128) }, /not enrolled .* with this key/],
    ['a record that is none', { agent: {} }, /agent/],
    ['text that is none', { agent: { ...agentRecord('a-1'), name: '\ud800' } }, /surrogate/],
  ])('with %s is refused', async (_, changes, sentence) => {
    expect(await prove(agentRecord('a-1'), changes)).toMatch(sentence)
  })

  it('by another key is refused, and so is one of an agent nobody enrolled', async () => {
    expect(await prove(agentRecord('a-1'), {}, fakeKey('an impostor'))).toMatch(/not enrolled here with this key/)
    const [near, far] = createMemoryLine()
    void bench.start().serve(near)
    const stranger = createFakeAgent(far, agentRecord('a-stranger'))
    await stranger.hello()
    await stranger.prove()
    expect((await stranger.next('refused')).reason).toMatch(/not enrolled/)
  })

  it('heard on another line is worth nothing there', async () => {
    const scheduler = bench.start()
    const agent = agentRecord('a-replayed')
    await bench.enrol(agent)
    const [near, far] = createMemoryLine()
    void scheduler.serve(near)
    const sent: unknown[] = []
    const listener = { ...far, send: (message: unknown) => (sent.push(message), far.send(message)) }
    await createFakeAgent(listener, agent).comeIn()
    const [nearAgain, thief] = createMemoryLine()
    void scheduler.serve(nearAgain)
    const replay = createFakeAgent(thief, agent)
    for (const message of sent) await thief.send(message)
    expect((await replay.next('refused')).reason).toMatch(/not enrolled here with this key/)
    expect(await refusalsOf(agent.id)).toEqual([expect.stringMatching(/not enrolled here with this key/)])
  })

  it('is in the audit where it is refused, but not for as often as anybody likes', async () => {
    const scheduler = bench.start()
    const agent = agentRecord('a-pestered')
    await bench.enrol(agent)
    const attempt = async (id: string) => {
      const [near, far] = createMemoryLine()
      void scheduler.serve(near)
      const thief = createFakeAgent(far, { ...agent, id }, fakeKey('an impostor'))
      await thief.hello()
      await thief.prove()
      await thief.next('refused')
    }
    for (let i = 0; i < 110; i++) await attempt(agent.id)
    const refusals = await refusalsOf(agent.id)
    expect(refusals).toHaveLength(100)
    expect(refusals.at(-1)).toMatch(/no more of these are recorded/)
    for (let i = 0; i < 110; i++) await attempt(`a-nobody-${i}`)
    const strangers = (await refusalsOf()).filter((subject) => subject.startsWith('a-nobody-'))
    expect(strangers).toHaveLength(100)
  })

  it('is not refused for what passes: the agent finds the line closed, and may try again', async () => {
    const scheduler = bench.start()
    await bench.enrol(agentRecord('a-1'))
    const saving = vi.spyOn(bench.store, 'saveAgent').mockRejectedValueOnce(new Error('no space left'))
    const [near, far] = createMemoryLine()
    void scheduler.serve(near)
    const turnedAway = createFakeAgent(far, agentRecord('a-1'))
    await turnedAway.hello()
    await turnedAway.prove()
    expect(await far.closed).toMatch(/no space left/)
    expect(turnedAway.received.map(({ message }) => message.type)).toEqual(['challenge'])
    saving.mockRestore()
    await bench.connect(scheduler, agentRecord('a-1'))
    expect(scheduler.agents()).toHaveLength(1)
  })

  it.each<[string, (id: string) => Promise<unknown>, RegExp]>([
    ['approved', (id) => bench.registry.approve(id, 'api'), /come again/],
    ['labelled', (id) => bench.registry.label(id, { site: 'x' }, 'api'), /come again/],
    ['revoked', (id) => bench.registry.revoke(id, 'sold', 'api'), /is revoked: sold/],
  ])('of an agent that is %s while it comes in is not taken as it stood before', async (deed, change, sentence) => {
    const scheduler = bench.start()
    const agent = agentRecord(`a-${deed}`)
    await bench.enrol(agent, 'pending')
    const [near, far] = createMemoryLine()
    void scheduler.serve(near)
    const fake = createFakeAgent(far, agent)
    await fake.hello()
    await fake.prove()
    await fake.next('welcome')
    await change(agent.id)
    await fake.send({ type: 'holding', jobs: [] })
    expect(await far.closed).toMatch(sentence)
    expect(scheduler.connected().has(agent.id)).toBe(false)
  })

  it('of a name that is another’s changes no name', async () => {
    const scheduler = bench.start()
    await bench.enrol(agentRecord('a-thief'))
    await bench.connect(scheduler, { ...agentRecord('a-thief'), name: 'the director' })
    expect(scheduler.agents().map(({ name }) => name)).toEqual([agentRecord('a-thief').name])
  })

  it('makes attributes of what names a machine', async () => {
    const scheduler = bench.start()
    await bench.connect(scheduler, { ...agentRecord('a-1'), facts: { 'cpu.vendor': 'x', 'os.hostname': 'h' } })
    expect(scheduler.agents()[0]).toMatchObject({ facts: { 'cpu.vendor': 'x' }, attributes: { 'os.hostname': 'h' } })
  })
})

it('gives jobs that hold by the clock that opened the line, though that is set an hour back or forth since', async () => {
  const scheduler = bench.start()
  const agent = await bench.connect(scheduler, agentRecord('a-clock', 2))
  const opened = agent.received.find(({ message }) => message.type === 'challenge')?.message as {
    proof: { at: string }
  }
  const hour = 3_600_000
  for (const jump of [-hour, 0, hour]) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + jump })
    await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    vi.useRealTimers()
    const leftMs = Date.parse(job.expiresAt) - Date.parse(opened.proof.at)
    expect(leftMs).toBeGreaterThan(9 * 60_000)
    expect(leftMs).toBeLessThan(12 * 60_000)
    await agent.answer(job, honest(job))
  }
})

it('bounds what a flood of strangers writes into the log', async () => {
  const lines: string[] = []
  const scheduler = bench.start({ log: (line) => lines.push(line) })
  for (let i = 0; i < 500; i++) {
    const [near, far] = createMemoryLine()
    const served = scheduler.serve(near)
    // What strangers say of themselves is theirs to choose.
    if (i % 2 === 0) await far.send({ type: 'hello', protocol: 2, oldest: 2, agent: 'x'.repeat(9999), nonce: 'x' })
    far.close()
    await served
  }
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.length).toBeLessThan(120)
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(700)
})

it.each<[string, Record<string, unknown>, RegExp]>([
  [
    'a second hello',
    { type: 'hello', protocol: 2, oldest: 2, agent: 'a-1', nonce: '1'.repeat(32) },
    /a second "hello" on one line/,
  ],
  [
    'a second proof',
    {
      ...{ type: 'proof', agent: agentRecord('a-1'), signature: 'f'.repeat(128) },
      renewal: { sequence: 1, mark: '1'.repeat(32), previous: '' },
    },
    /a second "proof" on one line/,
  ],
  ['a message of no type', { type: 'shutdown' }, /not a message of protocol 2: type/],
  [
    'a result without a statement',
    { type: 'result', job: 'j', attempt: 1, execution: {} },
    /not a message of protocol 2/,
  ],
  [
    'a job that it holds without a number',
    { type: 'holding', jobs: [{ job: 'j' }] },
    /not a message of protocol 2: jobs/,
  ],
])('closes the line of an agent that sends %s', async (_, message, sentence) => {
  const agent = await bench.connect(bench.start(), agentRecord('a-1'))
  await agent.send(message)
  expect(await agent.line.closed).toMatch(sentence)
})

it('sends a user’s array to agents whose job names it, and to no other', async () => {
  const scheduler = bench.start()
  const array = createTensor('f32', [1 << 19], new Uint8Array(1 << 21).fill(7))
  const digest = digestOf(array.bytes)
  const secret = digestOf('not for agents')
  await bench.store.putObject(Buffer.from('not for agents'), secret)
  const agent = await bench.connect(scheduler, agentRecord('a-1'))
  const text = `name: own\nworkloads:\n  - reduce.sum: { dtype: f32, input: { file: u.npy, digest: "${digest}" } }\nfactors: { backend: [js] }\n`
  const submission = { plan: text, inputs: [{ digest, dtype: 'f32' as const, shape: [1 << 19] }] }
  await expect(scheduler.submit(submission)).rejects.toMatchObject({ code: 'not-found' })
  await bench.store.putObject(array.bytes, digest)
  await expect(scheduler.submit({ ...submission, inputs: [] })).rejects.toMatchObject({ code: 'usage' })
  await agent.send({ type: 'want', digest })
  await agent.next('missing')
  await scheduler.submit(submission)
  expect((await agent.next('job')).job.inputs).toEqual(submission.inputs)
  await agent.send({ type: 'want', digest })
  const pieces = [await agent.next('piece'), await agent.next('piece')]
  expect(digestOf(Buffer.concat(pieces.map(({ body }) => body as Uint8Array)))).toBe(digest)
  await agent.send({ type: 'want', digest: secret })
  expect((await agent.next('missing')).digest).toBe(secret)
})
