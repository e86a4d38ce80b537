import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { completedWith } from '../../test/fake-agent.ts'
import { agentRecord, honest, planOf, schedulerHarness } from '../../test/scheduler-harness.ts'
import { f32 } from '../../test/synthetic-run.ts'
import type { Job } from '../../shared/messages.ts'
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
    [
      'by a completed execution without a trace',
      (job) => ({ execution: { ...honest(job).execution, trace: undefined } }),
      'protocol',
    ],
    ['by a trace that is not canonical', (job) => ({ ...honest(job), body: Buffer.from('{"seq": 0}\n') }), 'protocol'],
    [
      'by text that no record can hold',
      (job) => ({ ...honest(job), execution: { ...honest(job).execution, log: '\ud800' } }),
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

  it('about a job it was never given is a failure, and about another agent’s ends its line', async () => {
    const scheduler = bench.start()
    const [liar, victim] = [
      await bench.connect(scheduler, agentRecord('a-1')),
      await bench.connect(scheduler, agentRecord('a-2')),
    ]
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const [own, others] = [(await liar.next('job')).job, (await victim.next('job')).job]
    await liar.answer({ id: own.id, attempt: 7 }, honest(own))
    await liar.next('acknowledged')
    await liar.answer(others, completedWith([['sum', f32([9], [])]]))
    expect(await liar.line.closed).toContain("another agent's")
    await victim.answer(others, honest(others))
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ agent, status, code }) => `${agent} ${status} ${code}`).sort()).toEqual([
      'a-1 failed protocol',
      'a-2 completed undefined',
    ])
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
