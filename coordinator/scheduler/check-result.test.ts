import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { completedWith, createFakeAgent } from '../../test/fake-agent.ts'
import { createMemoryLine } from '../../test/memory-line.ts'
import { agentRecord, honest, planOf, schedulerHarness } from '../../test/scheduler-harness.ts'
import { f32 } from '../../test/synthetic-run.ts'
import type { Job } from '../../shared/messages.ts'
import { digestOfLines } from '../../shared/trace.ts'
import { checkFiles, type JournalRecord, journalPath, readJournal, type Store } from '../store/index.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import { checkResult } from './check-result.ts'

const bench = schedulerHarness()

describe('a lie', () => {
  async function outcomeOf(lie: (job: Job) => ReturnType<typeof honest> | { execution: unknown; body?: Uint8Array }) {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    await agent.answer(job, lie(job) as ReturnType<typeof honest>)
    await bench.finish(scheduler, id)
    const [only] = (await bench.store.loadRun(id)).executions
    expect(only?.execution.trace).toBeUndefined()
    expect(only?.execution.outputs).toEqual([])
    await agent.next('acknowledged')
    return only?.execution.outcome
  }
  const other = completedWith([['sum', f32([5], [])]])

  it.each<[string, (job: Job) => ReturnType<typeof honest> | { execution: unknown; body?: Uint8Array }, string]>([
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
    [
      'by a completed execution without a trace',
      (job) => ({ execution: { ...honest(job).execution, trace: undefined } }),
      'protocol',
    ],
    [
      'by a trace that is not canonical',
      (job) => {
        const body = Buffer.from('{"seq": 0}\n')
        return { execution: { ...honest(job).execution, trace: digestOfLines(body) }, body }
      },
      'protocol',
    ],
    ['by an execution that is none', () => ({ execution: { outcome: 'fine' } }), 'protocol'],
    [
      'by a failure that brings bits',
      (job) => ({
        ...honest(job),
        execution: { ...honest(job).execution, outcome: { status: 'unsupported', reason: 'f32' } },
      }),
      'protocol',
    ],
  ])('%s is a failure of that execution', async (_, lie, code) => {
    expect(await outcomeOf(lie)).toMatchObject({ status: 'failed', code })
  })

  it('about the schema is a failure of that execution', async () => {
    const spec = { step: 0, name: 'sum', dtype: 'f32', shape: [], role: 'output' } as const
    const cell = { workload: 'reduce.sum', workloadVersion: 1, params: {} } as Parameters<typeof checkResult>[0]
    const description = {
      id: 'reduce.sum',
      version: 1,
      title: '',
      summary: '',
      params: z.record(z.string(), z.unknown()),
    }
    const check = (schema: (typeof spec)[], result: ReturnType<typeof completedWith>) =>
      checkResult(cell, [], result.execution, result.body, () => ({ ...description, schema: () => schema })).execution
        .outcome
    const sum = completedWith([['sum', f32([5], [])]])
    expect(check([spec], sum)).toEqual({ status: 'completed' })
    expect(check([spec, spec], sum)).toMatchObject({ status: 'failed', code: 'protocol' })
    expect(check([spec], completedWith([['total', f32([5], [])]]))).toMatchObject({ code: 'protocol' })
    expect(check([spec], completedWith([['sum', f32([5])]]))).toMatchObject({ code: 'protocol' })
  })

  it('of a workload without a schema is found in what no trace of one has', () => {
    const key = { workload: 'program', workloadVersion: 1, params: { name: 'x' } as Record<string, unknown> }
    const cell = key as Parameters<typeof checkResult>[0]
    const check = (...names: string[]) => {
      const result = completedWith(names.map((name) => [name, f32([5], [])]))
      return checkResult(cell, [], result.execution, result.body, findDescription).execution.outcome
    }
    expect(check('forward/ü', 'loss')).toEqual({ status: 'completed' })
    expect(check('loss', 'a', 'loss')).toMatchObject({
      ...{ status: 'failed', code: 'protocol' },
      message: 'checkpoint 2 of the trace: "loss" is there twice at step 0',
    })
    expect(check('a\u001b[31m')).toMatchObject({ code: 'protocol' })
  })

  it('about a job it was never given, or another agent’s, is refused, recorded, and changes nothing', async () => {
    const scheduler = bench.start()
    const [liar, victim] = [
      await bench.connect(scheduler, agentRecord('a-1')),
      await bench.connect(scheduler, agentRecord('a-2')),
    ]
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const [own, others] = [(await liar.next('job')).job, (await victim.next('job')).job]
    await liar.answer({ ...own, attempt: 7 }, honest(own))
    expect((await liar.next('rejected')).reason).toMatch(/nonce is not the one/)
    for (const agent of ['a-1', 'a-2']) {
      await liar.answer({ ...others, agent }, completedWith([['sum', f32([9], [])]]))
      expect((await liar.next('rejected')).reason).toMatch(agent === 'a-1' ? /nonce/ : /signed for agent a-2/)
    }
    await victim.answer(others, honest(others))
    await liar.answer(own, honest(own))
    const report = await bench.finish(scheduler, id)
    expect(report.verdict).toBe('identical')
    const refusals = await journalOf(bench.store, 'result-refused')
    expect(refusals.slice(-3).map(({ agent, job }) => [agent, job])).toEqual([
      ['a-1', own.id],
      ['a-1', others.id],
      ['a-1', others.id],
    ])
  })

  it('told without end leaves a bounded number of records', async () => {
    const scheduler = bench.start()
    const liar = await bench.connect(scheduler, agentRecord('a-flood'))
    const before = (await journalOf(bench.store, 'result-refused')).length
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await liar.next('job')
    for (let i = 0; i < 150; i++) await liar.answer({ ...job, attempt: 100 + i }, honest(job))
    for (let i = 0; i < 150; i++) await liar.next('rejected')
    expect((await journalOf(bench.store, 'result-refused')).length - before).toBe(100)
    const killed = { ...honest(job).execution, outcome: { status: 'crashed', signal: 'SIGKILL', stderr: '' } } as const
    // Said five times of one attempt, it is one attempt that was killed.
    for (let i = 0; i < 5; i++) await liar.answer(job, { execution: killed })
    expect((await liar.next('job')).job.attempt).toBe(2)
    expect(await journalOf(bench.store, 'execution-killed')).toHaveLength(1)
    await scheduler.cancel(id)
  })

  it('of a trace whose lines are others than the agent signed is refused, and the job is made again', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    const changed = Uint8Array.from(honest(job).body as Uint8Array)
    changed[10] = (changed[10] as number) ^ 1
    await agent.answer(job, { ...honest(job), body: changed })
    expect((await agent.next('rejected')).reason).toMatch(/signed for the trace .*, the lines that came have /)
    const { job: again } = await agent.next('job')
    expect([again.id, again.attempt]).toEqual([job.id, 2])
    await agent.answer(again, honest(again))
    expect((await bench.finish(scheduler, id)).verdict).toBe('nothing compared')
    expect((await journalOf(bench.store, 'result-refused')).at(-1)).toMatchObject({ job: job.id, attempt: 1 })
  })

  it('that was tampered with on its way is refused, and the job is made again until it was too often', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    for (let attempt = 1; attempt <= 5; attempt++) {
      const { job } = await agent.next('job')
      expect(job.attempt).toBe(attempt)
      const result = honest(job)
      const flipped = { ...result.execution, log: 'one word more' }
      await agent.answer(job, result, attempt === 2 ? { signature: 'f'.repeat(128) } : { execution: flipped })
      expect((await agent.next('rejected')).reason).toMatch(attempt === 2 ? /signature/ : /signed for an execution/)
    }
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ status, code, message }) => [status, code, message])).toEqual([
      ['failed', 'refused', expect.stringMatching(/its result is refused: it is signed for an execution/)],
    ])
  })

  it('of an agent that was revoked meanwhile is set apart, and part of no run', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-gone'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    await bench.registry.revoke('a-gone', 'sold', 'api')
    await agent.answer(job, honest(job), { signature: 'f'.repeat(128) })
    await agent.next('rejected')
    await agent.answer(job, honest(job))
    expect((await agent.next('rejected')).reason).toMatch(/is revoked: sold/)
    expect(await agent.line.closed).toMatch(/is revoked: sold/)
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ status }) => status)).toEqual(['missing'])
    // What it did not even sign is not kept: the store would hold what cannot be checked.
    const all = await journalOf(bench.store, 'result-quarantined')
    expect(all).toMatchObject([{ agent: 'a-gone', job: job.id, attempt: 1 }])
    expect((await checkFiles(bench.store.dir)).problems).toEqual([])
    const [near, far] = createMemoryLine()
    void scheduler.serve(near)
    const back = createFakeAgent(far, agentRecord('a-gone'))
    await back.hello()
    await back.prove()
    expect((await back.next('refused')).reason).toMatch(/is revoked: sold; .*agent reset/)
  })

  it('about bytes leaves them out, and asks another agent that had them', async () => {
    const scheduler = bench.start()
    const [liar, honestOne] = [
      await bench.connect(scheduler, agentRecord('a-1')),
      await bench.connect(scheduler, agentRecord('a-2')),
    ]
    const good = (job: Job) => honest(job)
    liar.work((job) => ({
      ...good(job),
      tensors: new Map([...good(job).tensors].map(([digest]) => [digest, Buffer.from('lies')])),
    }))
    honestOne.work(good)
    const report = await bench.finish(scheduler, (await scheduler.submit({ plan: planOf(), inputs: [] })).id)
    expect(liar.received.some(({ message }) => message.type === 'want')).toBe(true)
    expect(report.comparisons[0]?.divergences[0]).toMatchObject({ bits: ['40800000', '40900000'] })
  })
})

async function journalOf<Kind extends JournalRecord['kind']>(store: Store, kind: Kind) {
  const found: Extract<JournalRecord, { kind: Kind }>[] = []
  await readJournal(journalPath(store.dir), ({ record }) => {
    if (record.kind === kind) found.push(record as Extract<JournalRecord, { kind: Kind }>)
  })
  return found
}
