import { describe, expect, it, vi } from 'vitest'
import type { Job } from '../../shared/messages.ts'
import type { Report } from '../report/format.ts'
import type { FakeAgent } from '../../test/fake-agent.ts'
import { agentRecord, honest, planOf, schedulerHarness } from '../../test/scheduler-harness.ts'

// Many runs of a store in one test.
vi.setConfig({ testTimeout: 60_000 })

// A scheduler that is stopped leaves its runs as a killed one does: nothing is written on the way out.

const bench = schedulerHarness()

/** Answers so many jobs, one at a time, and then stands still. */
async function answerSome(agent: FakeAgent, count: number): Promise<Job[]> {
  const jobs: Job[] = []
  for (let i = 0; i < count; i++) {
    const { job } = await agent.next('job')
    jobs.push(job)
    await agent.answer(job, honest(job))
    await agent.next('acknowledged')
  }
  return jobs
}

const withoutTimes = (report: Report) => ({ ...report, run: undefined })

describe('a run that a coordinator left under way', () => {
  it('goes on wherever it was cut, makes again only what is not on disk, and gives the same report', async () => {
    const whole = bench.start()
    const steady = await bench.connect(whole, agentRecord('a-1'))
    steady.work(honest)
    const expected = await bench.finish(whole, (await whole.submit({ plan: planOf(2), inputs: [] })).id)
    await whole.stop()

    for (let cut = 0; cut <= 4; cut++) {
      const first = bench.start()
      const before = await bench.connect(first, agentRecord('a-1'))
      const { id } = await first.submit({ plan: planOf(2), inputs: [] })
      const done = cut === 4 ? [] : await answerSome(before, cut)
      if (cut === 4) {
        // All but the comparison, which begins once the last is on disk.
        for (let i = 0; i < 3; i++) done.push(...(await answerSome(before, 1)))
        const { job } = await before.next('job')
        await bench.store.recordExecution(
          id,
          { ...job, execution: honest(job).execution },
          new TextDecoder().decode(honest(job).body),
        )
        done.push(job)
      }
      await first.stop()
      expect((await bench.store.loadPlan(id)).run.state).toBe('running')

      const second = bench.start()
      await second.resume()
      const after = await bench.connect(second, agentRecord('a-1'))
      const again: string[] = []
      after.work((job) => {
        again.push(job.id)
        return honest(job)
      })
      const report = await bench.finish(second, id)
      expect(withoutTimes(report)).toEqual(withoutTimes(expected))
      expect(again.filter((job) => done.some((one) => one.id === job))).toEqual([])
      expect(again).toHaveLength(4 - done.length)
      expect((await bench.store.loadRun(id)).executions).toHaveLength(4)
      await second.stop()
    }
  })

  it('takes a result that an agent made for the process before, and counts attempts on from there', async () => {
    const first = bench.start()
    const before = await bench.connect(first, agentRecord('a-1'))
    const { id } = await first.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    const { job } = await before.next('job')
    await first.stop()

    const second = bench.start()
    await second.resume()
    const after = await bench.connect(second, agentRecord('a-1'))
    const again = (await after.next('job')).job
    expect(again.id).toBe(job.id)
    expect(again.attempt).toBeGreaterThan(job.attempt)
    await after.answer(job, honest(job))
    expect((await bench.finish(second, id)).verdict).toBe('nothing compared')
    expect((await bench.store.loadRun(id)).executions).toMatchObject([{ attempt: job.attempt }])
  })

  it('that was being cancelled is cancelled', async () => {
    const first = bench.start()
    const agent = await bench.connect(first, agentRecord('a-1'))
    const { id } = await first.submit({ plan: planOf(2), inputs: [] })
    await answerSome(agent, 1)
    await agent.next('job')
    await first.cancel(id)
    await first.stop()
    const second = bench.start()
    await second.resume()
    expect((await bench.finish(second, id)).run.state).toBe('cancelled')
    expect((await bench.store.loadRun(id)).executions).toHaveLength(1)
  })

  it('whose comparison had begun is compared as it was, with what was missing', async () => {
    const first = bench.start()
    const agent = await bench.connect(first, agentRecord('a-1'))
    const { id } = await first.submit({ plan: planOf(1), inputs: [] })
    await answerSome(agent, 1)
    await first.stop()
    await bench.store.setRunState(id, 'comparing')
    const second = bench.start()
    await second.resume()
    const back = await bench.connect(second, agentRecord('a-1'))
    const report = await bench.finish(second, id)
    // Either cell may be the first of its round.
    expect(report.cells.map(({ status }) => status).sort()).toEqual(['completed', 'missing'])
    expect(back.received.some(({ message }) => message.type === 'job')).toBe(false)
  })

  it('tells a follower that was cut off what it missed', async () => {
    const first = bench.start()
    const agent = await bench.connect(first, agentRecord('a-1'))
    const { id } = await first.submit({ plan: planOf(2), inputs: [] })
    await answerSome(agent, 3)
    let seen = 0
    for await (const event of first.follow(id, 0)) {
      seen = event.id
      if (seen >= 4) break
    }
    await first.stop()
    const second = bench.start()
    await second.resume()
    const back = await bench.connect(second, agentRecord('a-1'))
    back.work(honest)
    const states: string[] = []
    for await (const event of second.follow(id, seen)) if (event.type === 'state') states.push(event.state)
    expect(states).toEqual(['running', 'comparing', 'done'])
  })

  it('is given up where its agent does not come back', async () => {
    const first = bench.start()
    await bench.connect(first, agentRecord('a-1'))
    const { id } = await first.submit({ plan: planOf(1, '[sequential]'), inputs: [] })
    await first.stop()
    const second = bench.start({ absenceMs: 5 })
    await second.resume()
    expect((await bench.finish(second, id)).verdict).toBe('nothing compared')
  })

  it('is not begun again once it has ended', async () => {
    const first = bench.start()
    const agent = await bench.connect(first, agentRecord('a-1'))
    agent.work(honest)
    const { id } = await first.submit({ plan: planOf(1), inputs: [] })
    await bench.finish(first, id)
    await first.stop()
    const second = bench.start()
    await second.resume()
    await expect(second.cancel(id)).rejects.toMatchObject({ code: 'conflict' })
  })
})
