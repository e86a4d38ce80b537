import { describe, expect, it, vi } from 'vitest'
import { createFakeAgent } from '../../test/fake-agent.ts'
import { createMemoryLine } from '../../test/memory-line.ts'
import { agentRecord, schedulerHarness, token } from '../../test/scheduler-harness.ts'
import { digestOf } from '../../shared/digest.ts'
import { createTensor } from '../../shared/tensor.ts'

const bench = schedulerHarness()

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
  const hello = { type: 'hello', protocol: 1, token, agent: agentRecord('a-1') }

  it.each([
    ['another token', { ...hello, token: 'guess' }, /token/],
    ['another protocol', { ...hello, protocol: 2, agent: 'whatever that has' }, /protocol 1, the agent speaks 2/],
    ['no agent', { ...hello, agent: {} }, /malformed at agent/],
    ['an id that is a path', { ...hello, agent: { ...agentRecord('a-1'), id: '../x' } }, /agent id/],
    ['text that is none', { ...hello, agent: { ...agentRecord('a-1'), name: '\ud800' } }, /surrogate/],
    ['something else first', { type: 'want', digest: digestOf('x') }, /hello/],
  ])('with %s is refused in a sentence', async (_, message, sentence) => {
    const reason = await refusalOf(message)
    expect(reason).toMatch(sentence)
    expect(reason).not.toContain(token)
  })

  it('that does not come closes the line', async () => {
    const [near, far] = createMemoryLine()
    void bench.start({ helloMs: 10 }).serve(near)
    const silent = createFakeAgent(far, agentRecord('a-1'))
    expect(await far.closed).toMatch(/no hello/)
    // Late is not refused: the agent may try again.
    expect(silent.received).toEqual([])
  })

  it('is not refused for what passes: the agent finds the line closed, and may try again', async () => {
    const scheduler = bench.start()
    const saving = vi.spyOn(bench.store, 'saveAgent').mockRejectedValueOnce(new Error('no space left'))
    const [near, far] = createMemoryLine()
    void scheduler.serve(near)
    const turnedAway = createFakeAgent(far, agentRecord('a-1'))
    await far.send(hello)
    expect(await far.closed).toMatch(/no space left/)
    expect(turnedAway.received).toEqual([])
    saving.mockRestore()
    await bench.connect(scheduler, agentRecord('a-1'))
    expect(scheduler.agents()).toHaveLength(1)
  })

  it('makes attributes of what names a machine', async () => {
    const scheduler = bench.start()
    await bench.connect(scheduler, { ...agentRecord('a-1'), facts: { 'cpu.vendor': 'x', 'os.hostname': 'h' } })
    expect(scheduler.agents()[0]).toMatchObject({ facts: { 'cpu.vendor': 'x' }, attributes: { 'os.hostname': 'h' } })
  })
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
