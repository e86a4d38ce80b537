import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { completedWith, type FakeResult } from '../../test/fake-agent.ts'
import { agentRecord, honest, planOf, schedulerHarness } from '../../test/scheduler-harness.ts'
import { f32 } from '../../test/synthetic-run.ts'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { Job } from '../../shared/messages.ts'
import { createFleet } from '../fleet.ts'
import { journalPath, readJournal } from '../store/index.ts'

const bench = schedulerHarness()

function cancelled(job: Job): FakeResult {
  const { trace: _, ...execution } = honest(job).execution
  return { execution: { ...execution, outputs: [], outcome: { status: 'cancelled' } } }
}

describe('a run', () => {
  it('goes to its end: every repetition recorded, compared, reported', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    agent.work(honest)
    const { id } = await scheduler.submit({ plan: planOf(), inputs: [] })
    const report = await bench.finish(scheduler, id)
    expect(report.verdict).toBe('divergent')
    expect(report.comparisons[0]?.classes.map(({ cells }) => cells.length)).toEqual([1, 1])
    expect(report.comparisons[0]?.divergences[0]).toMatchObject({ bits: ['40800000', '40900000'] })
    expect((await bench.store.loadRun(id)).run.state).toBe('done')
    expect(agent.received.filter(({ message }) => message.type === 'acknowledged')).toHaveLength(4)
  })

  it('gives repetition 0 of all cells, then 1 of all', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const order: string[] = []
    agent.work((job) => {
      order.push(`${job.repetition} ${job.condition.knobs.order}`)
      return honest(job)
    })
    await bench.finish(scheduler, (await scheduler.submit({ plan: planOf(3), inputs: [] })).id)
    const rounds = [0, 1, 2].map((round) => order.slice(2 * round, 2 * round + 2).toSorted())
    expect(rounds).toEqual([0, 1, 2].map((round) => [`${round} reverse`, `${round} sequential`]))
  })

  it('gives an agent as many jobs as it has slots', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1', 3))
    await scheduler.submit({ plan: planOf(4), inputs: [] })
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
        const scheduler = bench.start()
        const agent = await bench.connect(scheduler, agentRecord('a-1', 6))
        const { id } = await scheduler.submit({ plan: planOf(3), inputs: [] })
        const jobs: Job[] = []
        while (jobs.length < 6) jobs.push((await agent.next('job')).job)
        agent.work(honest)
        for (const i of order) await agent.answer(jobs[i] as Job, honest(jobs[i] as Job))
        const { run: _, ...rest } = await bench.finish(scheduler, id)
        reports.add(JSON.stringify(rest))
      }),
      { numRuns: 8 },
    )
    expect(reports.size).toBe(1)
  })

  it('serves the runs of two agents and keeps their cells apart', async () => {
    const scheduler = bench.start()
    const agents = [
      await bench.connect(scheduler, agentRecord('a-1')),
      await bench.connect(scheduler, agentRecord('a-2')),
    ]
    for (const agent of agents) agent.work(honest)
    const report = await bench.finish(
      scheduler,
      (await scheduler.submit({ plan: planOf(2, '[sequential]'), inputs: [] })).id,
    )
    expect(report.cells.map(({ agent }) => agent).sort()).toEqual(['a-1', 'a-2'])
    expect(report.verdict).toBe('identical')
  })

  it('whose end the store does not take ends as failed for whoever follows it', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    agent.work(honest)
    const saving = vi.spyOn(bench.store, 'setRunState').mockRejectedValue(new Error('no space left'))
    const { id } = await scheduler.submit({ plan: planOf(), inputs: [] })
    await expect(bench.finish(scheduler, id)).rejects.toThrow('no space left')
    saving.mockRestore()
  })
})

describe('a store that takes nothing for now', () => {
  it('ends no run: nothing more is given, and what was to be compared is, once there is room', async () => {
    const scheduler = bench.start({ absenceMs: 200 })
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1), inputs: [] })
    const { job } = await agent.next('job')
    const full = new BitfleetError('unavailable', 'no room')
    const trouble = vi.spyOn(bench.store, 'trouble').mockReturnValue('no room')
    const recording = vi.spyOn(bench.store, 'recordExecution').mockRejectedValueOnce(full)
    await agent.answer(job, honest(job))
    // What it brought is not acknowledged: the line ends, and the agent keeps it.
    expect(await agent.line.closed).toBe('no room')
    expect(agent.received.some(({ message }) => message.type === 'acknowledged')).toBe(false)
    recording.mockRestore()
    // Nor is the agent given up while it cannot come back.
    await delay(400)
    expect((await scheduler.progress(id)).counts.ended).toEqual({})
    trouble.mockReturnValue(undefined)

    const again = await bench.connect(scheduler, agentRecord('a-1'), [{ job: job.id, attempt: job.attempt }])
    await again.answer(job, honest(job))
    const comparing = vi.spyOn(bench.store, 'setRunState').mockImplementationOnce(async () => {
      trouble.mockReturnValue('no room')
      throw full
    })
    const { job: last } = await again.next('job')
    await again.answer(last, honest(last))
    await vi.waitFor(() => expect(comparing).toHaveBeenCalled())
    await delay(50)
    expect((await scheduler.progress(id)).run.state).toBe('running')
    trouble.mockRestore()
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ status }) => status)).toEqual(['completed', 'completed'])
    comparing.mockRestore()
  })
})

describe('a lost connection', () => {
  it('brings its jobs back with one more attempt, and takes a late result of the first', async () => {
    const scheduler = bench.start()
    const first = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await first.next('job')
    first.line.close('the cable')
    const second = await bench.connect(scheduler, agentRecord('a-1'))
    const again = (await second.next('job')).job
    expect([again.id, again.attempt]).toEqual([job.id, 2])
    await second.answer(job, honest(job))
    expect((await second.next('cancel')).job).toBe(job.id)
    await second.answer(again, honest(again))
    await bench.finish(scheduler, id)
    expect((await bench.store.loadRun(id)).executions.map(({ attempt }) => attempt)).toEqual([1])
    expect((await second.next('acknowledged')).attempt).toBe(1)
    expect((await second.next('acknowledged')).attempt).toBe(2)
  })

  it('of an agent that comes back with its job leaves it the job, and asks for no second attempt', async () => {
    const scheduler = bench.start()
    const first = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await first.next('job')
    first.line.close('the cable')
    const held = [
      { job: job.id, attempt: 1 },
      { job: 'of/nobody/0', attempt: 1 },
    ]
    const second = await bench.connect(scheduler, agentRecord('a-1'), held)
    expect((await second.next('cancel')).job).toBe('of/nobody/0')
    await second.answer(job, honest(job))
    await bench.finish(scheduler, id)
    expect(second.received.filter(({ message }) => message.type === 'job')).toEqual([])
    expect((await bench.store.loadRun(id)).executions.map(({ attempt }) => attempt)).toEqual([1])
  })

  it('announced by the agent, which cancels what it runs, brings the job back too', async () => {
    const scheduler = bench.start()
    const leaving = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await leaving.next('job')
    await leaving.answer(job, cancelled(job))
    await leaving.next('acknowledged')
    leaving.line.close('stopping')
    const back = await bench.connect(scheduler, agentRecord('a-1'))
    back.work(honest)
    expect((await bench.finish(scheduler, id)).verdict).toBe('identical')
    expect((await bench.store.loadRun(id)).executions.map(({ attempt }) => attempt)).toEqual([2])
  })

  it('leaves a job missing after five attempts', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    expect((await agent.next('job')).job.attempt).toBe(1)
    agent.line.close()
    for (const attempt of [2, 3, 4, 5]) {
      const next = await bench.connect(scheduler, agentRecord('a-1'))
      expect((await next.next('job')).job.attempt).toBe(attempt)
      next.line.close()
    }
    await bench.connect(scheduler, agentRecord('a-1'))
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ status }) => status)).toEqual(['missing'])
    expect(report.verdict).toBe('incomplete')
    expect((await scheduler.progress(id)).counts.ended).toEqual({ missing: 1 })
  })

  it('for good leaves the rest missing, and the run ends', async () => {
    const scheduler = bench.start({ absenceMs: 20 })
    const [gone, stays] = [
      await bench.connect(scheduler, agentRecord('a-1')),
      await bench.connect(scheduler, agentRecord('a-2')),
    ]
    stays.work(honest)
    const { id } = await scheduler.submit({ plan: planOf(2, '[sequential]'), inputs: [] })
    gone.line.close()
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ agent, status }) => `${agent} ${status}`).sort()).toEqual([
      'a-1 missing',
      'a-2 completed',
    ])
  })

  it('of an agent that connects twice ends the older line', async () => {
    const scheduler = bench.start()
    const older = await bench.connect(scheduler, agentRecord('a-1'))
    await bench.connect(scheduler, agentRecord('a-1'))
    expect(await older.line.closed).toBe('this agent connected again')
    expect(scheduler.agents().map(({ id }) => id)).toEqual(['a-1'])
  })
})

describe('a lease', () => {
  it('that the agent does not renew ends, and the job is given again under the next number', async () => {
    const scheduler = bench.start({ leaseMs: 200 })
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    expect((await agent.next('cancel')).job).toBe(job.id)
    const again = (await agent.next('job')).job
    expect([again.id, again.attempt]).toEqual([job.id, 2])
    expect(again.nonce).not.toBe(job.nonce)
    await agent.answer(again, honest(again))
    expect((await bench.finish(scheduler, id)).verdict).toBe('identical')
  })

  it('lasts for as long as it is renewed', async () => {
    const scheduler = bench.start({ leaseMs: 300 })
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    for (let i = 0; i < 12; i++) {
      await agent.send({ type: 'holding', jobs: [{ job: job.id, attempt: 1 }] })
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    expect(agent.received.filter(({ message }) => message.type === 'cancel')).toEqual([])
    await agent.answer(job, honest(job))
    await bench.finish(scheduler, id)
  })
})

describe('a job that an agent refuses', () => {
  const refusals = async () => {
    let count = 0
    await readJournal(journalPath(bench.store.dir), ({ record }) => {
      if (record.kind === 'job-refused') count++
    })
    return count
  }
  it('and was not given leaves no record', async () => {
    const before = await refusals()
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    const refuse = (of: string, attempt: number) =>
      agent.send({ type: 'refuse', job: of, attempt, reason: 'its result was damaged', later: false })
    for (const [of, attempt] of [
      ['20200101-000000-abcdef/c-1/0', 1],
      [job.id, 5],
      ['', 0],
    ] as const)
      await refuse(of, attempt)
    await agent.answer(job, honest(job))
    await bench.finish(scheduler, id)
    await refuse(job.id, 1)
    await agent.send({ type: 'want', digest: digestOf('after it') })
    await agent.next('missing')
    expect(await refusals()).toBe(before)
  })

  it('and had brought, while its run is under way, stands in the audit once', async () => {
    const before = await refusals()
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1), inputs: [] })
    const { job } = await agent.next('job')
    await agent.answer(job, honest(job))
    const { job: other } = await agent.next('job')
    const reason = 'this agent took a job of this nonce before'
    for (let i = 0; i < 3; i++)
      await agent.send({ type: 'refuse', job: job.id, attempt: job.attempt, reason, later: false })
    await agent.answer(other, honest(other))
    expect((await bench.finish(scheduler, id)).cells.map(({ status }) => status)).toEqual(['completed', 'completed'])
    expect(await refusals()).toBe(before + 1)
  })

  it('for now waits until the agent is ready, however often, and no attempt is lost', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    for (let i = 0; i < 5; i++) {
      const { job } = await agent.next('job')
      await agent.send({ type: 'refuse', job: job.id, attempt: job.attempt, reason: 'no space left', later: true })
      await agent.send({ type: 'ready' })
    }
    const { job } = await agent.next('job')
    await agent.answer(job, honest(job))
    expect((await bench.finish(scheduler, id)).verdict).toBe('identical')
  })

  it('for good is given again, and in the end failed with the reason', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    for (let i = 0; i < 5; i++) {
      const { job } = await agent.next('job')
      await agent.send({ type: 'refuse', job: job.id, attempt: job.attempt, reason: 'it expired', later: false })
    }
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ status, code, message }) => [status, code, message])).toEqual([
      ['failed', 'refused', 'the agent does not take the job: it expired'],
    ])
  })
})

describe('a runner that was killed from outside', () => {
  const killed = (job: Job): FakeResult => {
    const { trace: _, ...execution } = honest(job).execution
    const outcome = { status: 'crashed', signal: 'SIGKILL', stderr: '' } as const
    return { execution: { ...execution, outputs: [], outcome } }
  }

  it('costs an attempt, which the audit has; the report is as if it had not been', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await agent.next('job')
    await agent.answer(job, killed(job))
    await agent.next('acknowledged')
    agent.work(honest)
    const again = (await agent.next('job')).job
    await agent.answer(again, honest(again))
    expect((await bench.finish(scheduler, id)).cells.map(({ status }) => status)).toEqual(['completed'])
    const kinds: string[] = []
    await readJournal(journalPath(bench.store.dir), ({ record }) => {
      if (record.kind === 'execution-killed') kinds.push(record.job)
    })
    expect(kinds).toEqual([job.id])
  })

  it('every time is reported as it is', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    agent.work(killed)
    const { id } = await scheduler.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const report = await bench.finish(scheduler, id)
    expect(report.cells.map(({ status, signal }) => [status, signal])).toEqual([['crashed', 'SIGKILL']])
    expect((await bench.store.loadRun(id)).executions.map(({ attempt }) => attempt)).toEqual([5])
  })
})

describe('an agent that waits for approval', () => {
  it('is given nothing, and counts as none, until it is approved', async () => {
    const scheduler = bench.start()
    const agent = agentRecord('a-pending')
    await bench.enrol(agent, 'pending')
    const waiting = await bench.connect(scheduler, agent)
    expect([scheduler.agents(), [...scheduler.connected()]]).toEqual([[], ['a-pending']])
    await expect(scheduler.submit({ plan: planOf(1), inputs: [] })).rejects.toMatchObject({ code: 'unavailable' })
    const fleet = createFleet(bench.registry, scheduler, bench.store)
    await fleet.approve('a-pending', 'api')
    await waiting.line.closed
    const approved = await bench.connect(scheduler, agent)
    approved.work(honest)
    await bench.finish(scheduler, (await scheduler.submit({ plan: planOf(1), inputs: [] })).id)
    const member = (await fleet.list()).find(({ id }) => id === 'a-pending')
    expect(member).toMatchObject({ standing: 'enrolled', connected: true, record: { id: 'a-pending' } })
  })
})

describe('a result', () => {
  it('sent twice is recorded once and acknowledged twice', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(1), inputs: [] })
    const { job } = await agent.next('job')
    for (const result of [honest(job), honest(job), completedWith([['sum', f32([9], [])]])])
      await agent.answer(job, result)
    agent.work(honest)
    const second = (await agent.next('job')).job
    await agent.answer(second, honest(second))
    const report = await bench.finish(scheduler, id)
    await agent.answer(job, honest(job))
    for (let i = 0; i < 5; i++) await agent.next('acknowledged')
    expect((await bench.store.loadRun(id)).executions).toHaveLength(2)
    expect(report.cells.every(({ status }) => status === 'completed')).toBe(true)
  })
})

describe('a cancelled run', () => {
  it('begins nothing more, and compares what completed', async () => {
    const scheduler = bench.start()
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(3, '[sequential]'), inputs: [] })
    const first = (await agent.next('job')).job
    await agent.answer(first, honest(first))
    const second = (await agent.next('job')).job
    await scheduler.cancel(id)
    expect((await agent.next('cancel')).job).toBe(second.id)
    await agent.answer(second, cancelled(second))
    const report = await bench.finish(scheduler, id)
    expect(report.run.state).toBe('cancelled')
    expect((await bench.store.loadRun(id)).executions.map(({ execution }) => execution.outcome.status)).toEqual([
      'completed',
      'cancelled',
    ])
    await expect(scheduler.cancel(id)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('does not wait for an agent that does not answer', async () => {
    const scheduler = bench.start({ cancelMs: 10 })
    const agent = await bench.connect(scheduler, agentRecord('a-1'))
    const { id } = await scheduler.submit({ plan: planOf(2), inputs: [] })
    await agent.next('job')
    await scheduler.cancel(id)
    expect((await bench.finish(scheduler, id)).run.state).toBe('cancelled')
  })
})
