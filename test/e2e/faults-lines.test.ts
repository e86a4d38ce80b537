import { type ChildProcess } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentEndpoint } from '../../shared/messages.ts'
import { webSocketTransport } from '../../shared/transports/websocket.ts'
import type { FakeAgent } from '../fake-agent.ts'
import { honest } from '../scheduler-harness.ts'
import { bitfleet, cleanUp, createToken, end, folder, startAgent, until } from './bitfleet.ts'
import { type Lab, openLab, shortExecutions } from './lab.ts'
import { enrolRawAgent, type Heard, openLine, openRelay, type Relay } from './raw-agent.ts'

// Duplicates, replays, changes on the way and other releases, on real sockets between built programs. Whatever is refused
// stands in the audit, and the run's report is that of a run without it.

let lab: Lab
let relay: Relay
let relayed: ChildProcess
let relayedLog = ''
let expected: unknown

const plan = (agents: string, repetitions = 3) => `name: lines
seed: 42
repetitions: ${repetitions}
agents: { role: ${agents} }
workloads:
  - reduce.sum: { dtype: f32, n: 4, data: uniform }
factors: { backend: [js], js.order: [sequential, reverse, exact, pairwise] }
`
const rawPlan = (agent: string) => plan(agent, 1).replace(', reverse, exact, pairwise', '')

/** Repetitions of a run that lasts while something happens to it. */
const longer = 6
const has = (by: Heard['by'], type: string) => relay.heard.filter((one) => one.by === by && one.message.type === type)
const repeatedIn = (log: string) =>
  log.match(/does not take .*, attempt 1: this agent took a job of this nonce before/g)?.length
const refusals = async (pattern: RegExp) => (await lab.audit()).split('\n').filter((line) => pattern.test(line)).length

beforeAll(async () => {
  lab = await openLab()
  relay = await openRelay(() => lab.url)
  const state = folder()
  relayed = await startAgent(lab.store, relay.url, ['--label', 'role=relayed'], { env: { BITFLEET_STATE: state } })
  relayed.stderr?.on('data', (chunk: Buffer) => (relayedLog += chunk.toString()))
  await until('the agent behind the relay', () => has('coordinator', 'welcome').length > 0)
  expected = await lab.finish(await lab.submit(plan('relayed')))
})
afterAll(async () => {
  if (relayed !== undefined) await end(relayed)
  relay?.close()
  await lab?.close()
  cleanUp()
})

describe('what was heard on another line', () => {
  it('opens none: a proof is refused, and whose it was loses nothing', async () => {
    const thief = await openLine(lab.url)
    const [hello, proof] = [has('agent', 'hello').at(-1) as Heard, has('agent', 'proof').at(-1) as Heard]
    await thief.send(hello.message)
    await thief.send(proof.message)
    const said: Record<string, unknown>[] = []
    for await (const { message } of thief.frames) said.push(message as Record<string, unknown>)
    expect(said.map(({ type }) => type)).toEqual(['challenge', 'refused'])
    expect(said[1]?.reason).toMatch(/not enrolled here with this key/)
    expect(await refusals(/refused a line as agent a-.*not enrolled here with this key/)).toBe(1)
    const run = await lab.submit(plan('relayed'))
    expect(await lab.finish(run)).toEqual(expected)
  })

  it('is no work: a job sent again, on a later line too, is refused by its agent', async () => {
    const run = await lab.submit(plan('relayed', longer))
    await until('results', async () => (await lab.endedOf(run)) >= 2)
    const ofRun = (one: Heard) => JSON.stringify(one.message).includes(run)
    const replayed = has('coordinator', 'job').find(ofRun) as Heard
    const { id } = replayed.message.job as { id: string }
    const lines = has('coordinator', 'welcome').length
    relay.last?.agent.close('cut')
    await until('a new line', () => has('coordinator', 'welcome').length > lines)
    await relay.last?.agent.send(replayed.message)
    await until('its refusal', async () => (await refusals(/did not take attempt 1 at .*of this nonce before/)) === 1)
    await until('the end', async () => (await lab.statusOf(run)).state === 'done')
    expect(lab.executionsOf(run)).toHaveLength(4 * longer)
    expect(new Set(lab.executionsOf(run)).size).toBe(4 * longer)
    expect(has('agent', 'result').filter((one) => one.message.job === id)).toHaveLength(1)
    // Once the run has ended nothing follows from it, and nothing is recorded.
    const before = lab.journal().length
    await relay.last?.agent.send(replayed.message)
    await until(
      'its refusal',
      () => (relayedLog.match(/\(attempt 1\) is not taken: .*of this nonce before/g)?.length ?? 0) === 2,
    )
    await until('what the coordinator says of it', () => repeatedIn(lab.coordinatorLog()) === 2)
    expect(lab.journal()).toHaveLength(before)
  })

  it('is no result: one sent again is dropped, and on another agent’s line refused', async () => {
    const result = has('agent', 'result').at(-1) as Heard
    const before = lab.journal().length
    await relay.last?.coordinator.send(result.message, result.body)
    await until('its drop', () => /result of .*, which is not under way, was dropped/.test(lab.coordinatorLog()))
    expect(lab.journal()).toHaveLength(before)

    const other = await enrolRawAgent(lab.store, () => lab.url)
    const line = await other.open()
    await line.comeIn()
    await line.send(result.message, result.body)
    expect((await line.next('rejected')).reason).toMatch(/its signature is not the agent's/)
    await until('the audit', async () => (await refusals(/that was refused: its signature is not the agent's/)) === 1)
    line.line.close()
  })
})

it('a result whose trace was changed on its way is refused and made again; the report is the same', async () => {
  let changed = 0
  relay.tamper((heard) => {
    if (heard.message.type !== 'result' || changed > 0) return heard
    changed++
    const body = Uint8Array.from(heard.body as Uint8Array)
    body[body.length >> 1] = (body[body.length >> 1] as number) ^ 4
    return { ...heard, body }
  })
  const run = await lab.submit(plan('relayed'))
  expect(await lab.finish(run)).toEqual(expected)
  relay.tamper(undefined)
  expect(changed).toBe(1)
  expect(relayedLog).toMatch(
    /the coordinator rejects the result of .*signed for the trace .*, the lines that came have/,
  )
  expect(await refusals(/attempt 1, that was refused: it is signed for the trace/)).toBe(1)
  expect(lab.executionsOf(run)).toHaveLength(shortExecutions)
})

it('a late result of a job that was given again is taken once, though the coordinator was killed between', async () => {
  const raw = await enrolRawAgent(lab.store, () => lab.url, { role: 'late' })
  const come = async () => {
    let line: FakeAgent | undefined
    await until('a line', async () => {
      line = await raw.open().catch(() => undefined)
      return line !== undefined
    })
    await line?.comeIn()
    return line as FakeAgent
  }
  const first = await come()
  const run = await lab.submit(rawPlan('late'))
  const { job: early } = await first.next('job')
  first.line.close('lost')
  const second = await come()
  const { job: again } = await second.next('job')
  expect([again.id, again.attempt]).toEqual([early.id, early.attempt + 1])

  await lab.kill(lab.coordinator)
  await lab.startCoordinator()
  const third = await come()
  const { job: later } = await third.next('job')
  expect(later.id).toBe(early.id)
  expect(later.attempt).toBeGreaterThan(again.attempt)
  // An attempt that nobody was ever given has no nonce that an agent could know.
  await third.answer({ ...early, attempt: 99 }, honest(early))
  expect((await third.next('rejected')).reason).toMatch(/nonce is not the one/)
  expect(await refusals(/attempt 99, that was refused: its nonce/)).toBe(1)

  for (const job of [early, again, early, later]) {
    await third.answer(job, honest(job))
    expect(await third.next('acknowledged')).toMatchObject({ job: job.id, attempt: job.attempt })
  }
  await until('the end', async () => (await lab.statusOf(run)).state === 'done')
  const executions = lab.journal().filter((record) => record.kind === 'execution' && record.run === run)
  expect(executions.map(({ attempt }) => attempt)).toEqual([early.attempt])
  third.line.close()
})

describe('another release', () => {
  it.each([
    ['1', { type: 'hello', protocol: 1, token: 'x', agent: { id: 'a-1' } }],
    ['3', { type: 'hello', protocol: 3, oldest: 3, agent: 'a-1', nonce: 'of another form', more: {} }],
    ['3', { type: 'enrol', protocol: 3, oldest: 3, enrolment: { of: 'another form' } }],
  ])(
    'of an agent, which speaks protocol %s alone, is refused in a sentence that names both',
    async (protocol, hello) => {
      const line = await openLine(lab.url)
      await line.send(hello)
      const said: unknown[] = []
      for await (const { message } of line.frames) said.push(message)
      const reason = `this coordinator speaks protocol 2, the agent speaks ${protocol}; install the same release on both`
      expect(said).toEqual([{ type: 'refused', reason }])
    },
  )

  it.each([
    ['1', { type: 'welcome', protocol: 1, coordinator: 'bitfleet 0.1.0' }],
    ['3', { type: 'challenge', protocol: 3, proof: 'of another form' }],
  ])('of a coordinator, which speaks protocol %s, ends the agent with such a sentence', async (protocol, answer) => {
    const env = { BITFLEET_STATE: folder(), BITFLEET_TOKEN: await createToken(lab.store) }
    expect((await bitfleet(['agent', 'enroll', lab.url], { env })).code).toBe(0)
    const server = await webSocketTransport.listen(`http://127.0.0.1:0${agentEndpoint}`, (line) => {
      line.proven()
      void (async () => {
        for await (const _ of line.frames) await line.send(answer)
      })()
    })
    const url = server.url.slice(0, -agentEndpoint.length)
    const { BITFLEET_STATE } = env
    const ended = await bitfleet(['agent', 'start', '--coordinator', url], { env: { BITFLEET_STATE } })
    server.close()
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(/install the same release on both/) })
    expect(ended.stderr).toContain(`the coordinator speaks protocol ${protocol}, this agent speaks 2`)
  })
})

it('leaves a sound store, in which nothing stands twice', async () => {
  const executions = lab.journal().filter(({ kind }) => kind === 'execution')
  expect(new Set(executions.map(({ run, cell, repetition }) => [run, cell, repetition].join(' '))).size).toBe(
    executions.length,
  )
  expect(await lab.problems()).toEqual([])
})
