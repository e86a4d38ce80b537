import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { completedWith, createFakeAgent, type FakeAgent } from '../../test/fake-agent.ts'
import { createMemoryLine } from '../../test/memory-line.ts'
import { f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { digestOf } from '../../shared/digest.ts'
import type { AgentRecord, Job } from '../../shared/messages.ts'
import { createTensor } from '../../shared/tensor.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from '../report/assemble.ts'
import type { Report } from '../report/format.ts'
import { openStore, type Store } from '../store/index.ts'
import { checkResult } from './check-result.ts'
import { createScheduler, type Scheduler, type SchedulerOptions } from './scheduler.ts'

const token = 'a token of agents'
const plan = (repetitions = 2, orders = '[sequential, reverse]') => `name: sums
repetitions: ${repetitions}
workloads:
  - reduce.sum: { dtype: f32, n: 4 }
factors:
  backend: [js]
  js.order: ${orders}
`

let folder: string
let store: Store
let schedulers: Scheduler[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bitfleet-scheduler-'))
  store = await openStore(folder)
}, 60_000)
afterEach(async () => {
  for (const scheduler of schedulers) await scheduler.stop()
  schedulers = []
})
afterAll(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const js: AgentRecord['backends'] = [
  {
    ...{ id: 'js', title: 'js', status: 'ready', version: '1', kernels: ['sum'] },
    knobs: [
      {
        ...{ name: 'order', description: '', source: 'AF', pattern: '^.*$', values: 'any', override: false },
        apply: { by: 'call' },
      },
    ],
  },
]
const record = (id: string, slots = 1): AgentRecord => ({ ...syntheticAgent(id), backends: js, slots })

function start(options: Partial<SchedulerOptions> = {}): Scheduler {
  const scheduler = createScheduler({
    ...{ store, token, coordinator: 'test', findDescription: () => undefined },
    buildReport: async (data, artifacts) => assembleReport(data, await compareRun(data, artifacts), 'test'),
    ...options,
  })
  schedulers.push(scheduler)
  return scheduler
}

async function connect(scheduler: Scheduler, agent: AgentRecord): Promise<FakeAgent> {
  const [near, far] = createMemoryLine()
  void scheduler.serve(near)
  const fake = createFakeAgent(far, agent)
  await fake.hello(token)
  await fake.next('welcome')
  return fake
}

/** The sum of four ones, or another's by order: bits that differ by condition alone. */
const input = f32([1, 1, 1, 1])
const honest = ({ condition }: Job) =>
  completedWith([
    ['input', input],
    ['sum', f32([condition.knobs.order === 'reverse' ? 4.5 : 4], [])],
  ])

async function finish(scheduler: Scheduler, run: string): Promise<Report> {
  for await (const event of scheduler.follow(run, 0)) if (event.type === 'state' && event.state === 'failed') throw new Error(event.failure)
  return (await store.loadReport(run)) as Report
}

describe('a run', () => {
  it('goes to its end: every repetition recorded, compared, reported', async () => {
    const scheduler = start()
    const agent = await connect(scheduler, record('a-1'))
    agent.work(honest)
    const { id } = await scheduler.submit({ plan: plan(), inputs: [] })
    const report = await finish(scheduler, id)
    expect(report.verdict).toBe('divergent')
    expect(report.comparisons[0]?.classes.map(({ cells }) => cells.length)).toEqual([1, 1])
    expect(report.comparisons[0]?.divergences[0]).toMatchObject({ bits: ['40800000', '40900000'] })
    expect((await store.loadRun(id)).run.state).toBe('done')
    expect(agent.received.filter(({ message }) => message.type === 'acknowledged')).toHaveLength(4)
  })

  it('interleaves: repetition 0 of all cells, then 1 of all', async () => {
    const scheduler = start()
    const agent = await connect(scheduler, record('a-1'))
    const order: string[] = []
    agent.work((job) => {
      order.push(`${job.repetition} ${job.condition.knobs.order}`)
      return honest(job)
    })
    await finish(scheduler, (await scheduler.submit({ plan: plan(3), inputs: [] })).id)
    expect(order).toEqual(['0 sequential', '0 reverse', '1 sequential', '1 reverse', '2 sequential', '2 reverse'])
  })

  it('gives an agent as many jobs as it has slots', async () => {
    const scheduler = start()
    const agent = await connect(scheduler, record('a-1', 3))
    await scheduler.submit({ plan: plan(4), inputs: [] })
    const jobs = [await agent.next('job'), await agent.next('job'), await agent.next('job')]
    expect(agent.received.filter(({ message }) => message.type === 'job')).toHaveLength(3)
    await agent.answer((jobs[0] as { job: Job }).job, honest((jobs[0] as { job: Job }).job))
    await agent.next('job')
    expect(agent.received.filter(({ message }) => message.type === 'job')).toHaveLength(4)
  })

  it('reports the same whatever order results arrive in', async () => {
    const reports = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), async (order) => {
        const scheduler = start()
        const agent = await connect(scheduler, record('a-1', 6))
        const { id } = await scheduler.submit({ plan: plan(3), inputs: [] })
        const jobs: Job[] = []
        while (jobs.length < 6) jobs.push((await agent.next('job')).job)
        agent.work(honest)
        for (const i of order) await agent.answer(jobs[i] as Job, honest(jobs[i] as Job))
        const { run: _, ...rest } = await finish(scheduler, id)
        reports.add(JSON.stringify(rest))
      }),
      { numRuns: 8 },
    )
    expect(reports.size).toBe(1)
  })

  it('serves the runs of two agents and keeps their cells apart', async () => {
    const scheduler = start()
    const agents = [await connect(scheduler, record('a-1')), await connect(scheduler, record('a-2'))]
    for (const agent of agents) agent.work(honest)
    const report = await finish(scheduler, (await scheduler.submit({ plan: plan(2, '[sequential]'), inputs: [] })).id)
    expect(report.cells.map(({ agent }) => agent).sort()).toEqual(['a-1', 'a-2'])
    expect(report.verdict).toBe('identical')
  })
})

describe('a lost connection', () => {
  it('brings its jobs back with one more attempt, and takes a late result of the first', async () => {
    const scheduler = start()
    const first = await connect(scheduler, record('a-1'))
    const { id } = await scheduler.submit({ plan: plan(1, '[sequential]'), inputs: [] })
    const { job } = await first.next('job')
    first.line.close('the cable')
    const second = await connect(scheduler, record('a-1'))
    const again = (await second.next('job')).job
    expect([again.id, again.attempt]).toEqual([job.id, 2])
    await second.answer(job, honest(job))
    expect((await second.next('cancel')).job).toBe(job.id)
    await second.answer(again, honest(again))
    await finish(scheduler, id)
    expect((await store.loadRun(id)).executions.map(({ attempt }) => attempt)).toEqual([1])
    expect((await second.next('acknowledged')).attempt).toBe(1)
    expect((await second.next('acknowledged')).attempt).toBe(2)
  })

  it('leaves a job missing after three attempts', async () => {
    const scheduler = start()
    const agent = await connect(scheduler, record('a-1'))
    const { id } = await scheduler.submit({ plan: plan(1, '[sequential]'), inputs: [] })
    expect((await agent.next('job')).job.attempt).toBe(1)
    agent.line.close()
    for (const attempt of [2, 3]) {
      const next = await connect(scheduler, record('a-1'))
      expect((await next.next('job')).job.attempt).toBe(attempt)
      next.line.close()
    }
    const report = await finish(scheduler, id)
    expect(report.cells.map(({ status }) => status)).toEqual(['missing'])
    expect(report.verdict).toBe('incomplete')
    expect((await scheduler.progress(id)).counts.ended).toEqual({ missing: 1 })
  })

  it('for good leaves the rest missing, and the run ends', async () => {
    const scheduler = start({ absenceMs: 20 })
    const [gone, stays] = [await connect(scheduler, record('a-1')), await connect(scheduler, record('a-2'))]
    stays.work(honest)
    const { id } = await scheduler.submit({ plan: plan(2, '[sequential]'), inputs: [] })
    gone.line.close()
    const report = await finish(scheduler, id)
    expect(report.cells.map(({ agent, status }) => [agent, status]).sort()).toEqual([
      ['a-1', 'missing'],
      ['a-2', 'completed'],
    ])
  })

  it('of an agent that connects twice ends the older line', async () => {
    const scheduler = start()
    const older = await connect(scheduler, record('a-1'))
    await connect(scheduler, record('a-1'))
    expect(await older.line.closed).toBe('this agent connected again')
    expect(scheduler.agents().map(({ id }) => id)).toEqual(['a-1'])
  })
})

describe('a lie', () => {
  async function outcomeOf(lie: (job: Job) => ReturnType<typeof honest> | { execution: unknown; body?: Uint8Array }) {
    const scheduler = start()
    const agent = await connect(scheduler, record('a-1'))
    const { id } = await scheduler.submit({ plan: plan(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    await agent.answer(job, lie(job) as ReturnType<typeof honest>)
    await finish(scheduler, id)
    const [only] = (await store.loadRun(id)).executions
    expect(only?.execution.trace).toBeUndefined()
    expect(only?.execution.outputs).toEqual([])
    await agent.next('acknowledged')
    return only?.execution.outcome
  }
  const other = completedWith([['sum', f32([5], [])]])

  it.each<[string, (job: Job) => ReturnType<typeof honest> | { execution: unknown; body?: Uint8Array }, string]>([
    ['about its trace', (job) => ({ ...honest(job), body: other.body as Uint8Array }), 'digest-mismatch'],
    [
      'about the bits of an output',
      (job) => {
        const result = honest(job)
        const outputs = result.execution.outputs.map((output) => ({ ...output, bits: ['40800001'] }))
        return { ...result, execution: { ...result.execution, outputs } }
      },
      'digest-mismatch',
    ],
    [
      'about an output’s digest',
      (job) => {
        const result = honest(job)
        return { ...result, execution: { ...result.execution, outputs: other.execution.outputs } }
      },
      'digest-mismatch',
    ],
    ['by a completed execution without a trace', (job) => ({ execution: { ...honest(job).execution, trace: undefined } }), 'protocol'],
    ['by a trace that is not canonical', (job) => ({ ...honest(job), body: Buffer.from('{"seq": 0}\n') }), 'protocol'],
    ['by text that no record can hold', (job) => ({ ...honest(job), execution: { ...honest(job).execution, log: '\ud800' } }), 'protocol'],
    ['by an execution that is none', () => ({ execution: { outcome: 'fine' } }), 'protocol'],
    [
      'by a failure that brings bits',
      (job) => ({ ...honest(job), execution: { ...honest(job).execution, outcome: { status: 'cancelled' } } }),
      'protocol',
    ],
  ])('%s is a failure of that execution', async (_, lie, code) => {
    expect(await outcomeOf(lie)).toMatchObject({ status: 'failed', code })
  })

  it('about the schema is a failure of that execution', async () => {
    const spec = { step: 0, name: 'sum', dtype: 'f32', shape: [], role: 'output' } as const
    const cell = { workload: 'reduce.sum', workloadVersion: 1, params: {} } as Parameters<typeof checkResult>[0]
    const description = { id: 'reduce.sum', version: 1, title: '', summary: '', params: z.record(z.string(), z.unknown()) }
    const check = (schema: (typeof spec)[], result: ReturnType<typeof completedWith>) =>
      checkResult(cell, [], result.execution, result.body, () => ({ ...description, schema: () => schema })).execution.outcome
    const sum = completedWith([['sum', f32([5], [])]])
    expect(check([spec], sum)).toEqual({ status: 'completed' })
    expect(check([spec, spec], sum)).toMatchObject({ status: 'failed', code: 'protocol' })
    expect(check([spec], completedWith([['total', f32([5], [])]]))).toMatchObject({ code: 'protocol' })
    expect(check([spec], completedWith([['sum', f32([5])]]))).toMatchObject({ code: 'protocol' })
  })

  it('about a job it was never given is a failure, and about another agent’s ends its line', async () => {
    const scheduler = start()
    const [liar, victim] = [await connect(scheduler, record('a-1')), await connect(scheduler, record('a-2'))]
    const { id } = await scheduler.submit({ plan: plan(1, '[sequential]'), inputs: [] })
    const [own, others] = [(await liar.next('job')).job, (await victim.next('job')).job]
    await liar.answer({ id: own.id, attempt: 7 }, honest(own))
    await liar.next('acknowledged')
    await liar.answer(others, completedWith([['sum', f32([9], [])]]))
    expect(await liar.line.closed).toContain("another agent's")
    await victim.answer(others, honest(others))
    const report = await finish(scheduler, id)
    expect(report.cells.map(({ agent, status, code }) => [agent, status, code]).sort()).toEqual([
      ['a-1', 'failed', 'protocol'],
      ['a-2', 'completed', undefined],
    ])
  })

  it('about bytes leaves them out, and asks another agent that had them', async () => {
    const scheduler = start()
    const [liar, honestOne] = [await connect(scheduler, record('a-1')), await connect(scheduler, record('a-2'))]
    const good = (job: Job) => honest(job)
    liar.work((job) => ({ ...good(job), tensors: new Map([...good(job).tensors].map(([digest]) => [digest, Buffer.from('lies')])) }))
    honestOne.work(good)
    const report = await finish(scheduler, (await scheduler.submit({ plan: plan(), inputs: [] })).id)
    expect(report.comparisons[0]?.divergences[0]).toMatchObject({ bits: ['40800000', '40900000'] })
  })
})

describe('a result', () => {
  it('sent twice is recorded once and acknowledged twice', async () => {
    const scheduler = start()
    const agent = await connect(scheduler, record('a-1'))
    const { id } = await scheduler.submit({ plan: plan(1), inputs: [] })
    const { job } = await agent.next('job')
    for (const result of [honest(job), honest(job), completedWith([['sum', f32([9], [])]])]) await agent.answer(job, result)
    agent.work(honest)
    const second = (await agent.next('job')).job
    await agent.answer(second, honest(second))
    const report = await finish(scheduler, id)
    await agent.answer(job, honest(job))
    for (let i = 0; i < 5; i++) await agent.next('acknowledged')
    expect((await store.loadRun(id)).executions).toHaveLength(2)
    expect(report.cells.every(({ status }) => status === 'completed')).toBe(true)
  })
})

describe('a cancelled run', () => {
  it('begins nothing more, and compares what completed', async () => {
    const scheduler = start()
    const agent = await connect(scheduler, record('a-1'))
    const { id } = await scheduler.submit({ plan: plan(3, '[sequential]'), inputs: [] })
    const first = (await agent.next('job')).job
    await agent.answer(first, honest(first))
    const second = (await agent.next('job')).job
    await scheduler.cancel(id)
    expect((await agent.next('cancel')).job).toBe(second.id)
    const { outputs: _, trace: __, ...rest } = honest(second).execution
    await agent.answer(second, { execution: { ...rest, outputs: [], outcome: { status: 'cancelled' } } })
    const report = await finish(scheduler, id)
    expect(report.run.state).toBe('cancelled')
    expect((await store.loadRun(id)).executions.map(({ execution }) => execution.outcome.status)).toEqual(['completed', 'cancelled'])
    await expect(scheduler.cancel(id)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('does not wait for an agent that does not answer', async () => {
    const scheduler = start({ cancelMs: 10 })
    const agent = await connect(scheduler, record('a-1'))
    const { id } = await scheduler.submit({ plan: plan(2), inputs: [] })
    await agent.next('job')
    await scheduler.cancel(id)
    expect((await finish(scheduler, id)).run.state).toBe('cancelled')
  })
})

describe('a hello', () => {
  async function refusalOf(message: unknown, options: Partial<SchedulerOptions> = {}): Promise<string> {
    const [near, far] = createMemoryLine()
    void start(options).serve(near)
    const fake = createFakeAgent(far, record('a-1'))
    if (message !== undefined) await far.send(message)
    const { reason } = await fake.next('refused')
    expect(await far.closed).toBe(reason)
    return reason
  }
  const hello = { type: 'hello', protocol: 1, token, agent: record('a-1') }

  it.each([
    ['another token', { ...hello, token: 'guess' }, /token/],
    ['another protocol', { ...hello, protocol: 2, agent: 'whatever that has' }, /protocol 1, the agent speaks 2/],
    ['no agent', { ...hello, agent: {} }, /malformed at agent/],
    ['an id that is a path', { ...hello, agent: { ...record('a-1'), id: '../x' } }, /agent id/],
    ['text that is none', { ...hello, agent: { ...record('a-1'), name: '\ud800' } }, /surrogate/],
    ['something else first', { type: 'want', digest: digestOf('x') }, /hello/],
  ])('with %s is refused in a sentence', async (_, message, sentence) => {
    const reason = await refusalOf(message)
    expect(reason).toMatch(sentence)
    expect(reason).not.toContain(token)
  })

  it('that does not come closes the line', async () => {
    expect(await refusalOf(undefined, { helloMs: 10 })).toMatch(/no hello/)
  })

  it('makes attributes of what names a machine', async () => {
    const scheduler = start()
    await connect(scheduler, { ...record('a-1'), facts: { 'cpu.vendor': 'x', 'os.hostname': 'h' } })
    expect(scheduler.agents()[0]).toMatchObject({ facts: { 'cpu.vendor': 'x' }, attributes: { 'os.hostname': 'h' } })
  })
})

it('sends a user’s array to agents whose job names it, and to no other', async () => {
  const scheduler = start()
  const array = createTensor('f32', [1 << 19], new Uint8Array(1 << 21).fill(7))
  const digest = digestOf(array.bytes)
  const secret = digestOf('not for agents')
  await store.putObject(Buffer.from('not for agents'), secret)
  const agent = await connect(scheduler, record('a-1'))
  const text = `name: own\nworkloads:\n  - reduce.sum: { dtype: f32, input: { file: u.npy, digest: "${digest}" } }\nfactors: { backend: [js] }\n`
  const submission = { plan: text, inputs: [{ digest, dtype: 'f32' as const, shape: [1 << 19] }] }
  await expect(scheduler.submit(submission)).rejects.toMatchObject({ code: 'not-found' })
  await store.putObject(array.bytes, digest)
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
