import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSyntheticRun, syntheticAgent } from '../../test/synthetic-run.ts'
import { createJobQueue, maxAttempts } from './job-queue.ts'

const agents = ['a-1', 'a-2']

function queueOf(repetitions: number, cells: number) {
  const run = createSyntheticRun(agents.map((id) => syntheticAgent(id)))
  for (let i = 0; i < cells; i++) {
    const executions = new Array<null>(repetitions).fill(null)
    run.add({ agent: agents[i % 2], workload: 'w', params: { i }, backend: 'js', executions })
  }
  const { run: record, cells: records } = run.data()
  return createJobQueue(record, records)
}

type Step = ['next' | 'abandon', number] | ['lost' | 'end' | 'reopen', number] | ['cancel', number]
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('next', 'next', 'lost', 'end', 'reopen', 'abandon', 'cancel'),
  fc.nat(30),
) as fc.Arbitrary<Step>

it('keeps count of every job through whatever happens, and gives each at most three times', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(step, { maxLength: 80 }),
      (repetitions, cells, steps) => {
        const queue = queueOf(repetitions, cells)
        const all = [...queue.jobs()]
        for (const [what, n] of steps) {
          const job = all[n % all.length]?.id as string
          const agent = agents[n % 2] as string
          if (what === 'next') {
            const given = queue.next(agent)
            if (given)
              expect(queue.find(given.id)).toMatchObject({
                given: given.attempt,
                state: { state: 'running' },
                cell: { agent },
              })
          } else if (what === 'end') queue.end(job, 'completed')
          else if (what === 'abandon') queue.abandon(agent)
          else if (what === 'cancel') queue.cancel()
          else queue[what](job)

          const { total, waiting, running, ended } = queue.counts()
          const states = all.map(({ state }) => state)
          expect(running).toBe(states.filter(({ state }) => state === 'running').length)
          expect(waiting).toBe(states.filter(({ state }) => state === 'waiting').length)
          expect(Object.values(ended).reduce((sum, count) => sum + count, 0)).toBe(total - waiting - running)
          expect(queue.finished()).toBe(waiting + running === 0)
        }
        for (const { given } of all)
          expect(given).toBeLessThanOrEqual(maxAttempts + steps.filter(([what]) => what === 'reopen').length)
      },
    ),
  )
})

it('loses no job that waits: all can still be given', () => {
  fc.assert(
    fc.property(
      fc.array(
        step.filter(([what]) => what !== 'cancel'),
        { maxLength: 60 },
      ),
      (steps) => {
        const queue = queueOf(2, 4)
        const all = [...queue.jobs()]
        for (const [what, n] of steps) {
          const job = all[n % all.length]?.id as string
          if (what === 'next') queue.next(agents[n % 2] as string)
          else if (what === 'end') queue.end(job, 'completed')
          else if (what === 'abandon') queue.abandon(agents[n % 2] as string)
          else if (what === 'lost' || what === 'reopen') queue[what](job)
        }
        for (const agent of agents) while (queue.next(agent)) {}
        expect(queue.counts().waiting).toBe(0)
      },
    ),
  )
})

it('gives the rounds of each agent in a drawn order, and in the same order after a restart', () => {
  const take = (queue: ReturnType<typeof queueOf>, agent: string) => {
    const given = []
    for (let job = queue.next(agent); job; job = queue.next(agent)) given.push(job)
    return given
  }
  const queue = queueOf(2, 40)
  const jobs = take(queue, 'a-1')
  expect(jobs.map(({ repetition }) => repetition)).toEqual([...new Array(20).fill(0), ...new Array(20).fill(1)])
  const [first, second] = [jobs.slice(0, 20), jobs.slice(20)].map((round) => round.map(({ cell }) => cell))
  expect(second).not.toEqual(first)
  expect(second?.toSorted()).toEqual(first?.toSorted())
  // People read the cells in the plan's order.
  const positions = [...queue.jobs()].map(({ cell }) => cell.position)
  expect(positions.slice(0, 40)).toEqual(positions.slice(0, 40).toSorted((a, b) => a - b))

  const restarted = queueOf(2, 40)
  const done = jobs.slice(0, 25)
  for (const { id } of done) restarted.end(id, 'completed')
  expect(take(restarted, 'a-1').map(({ id }) => id)).toEqual(jobs.slice(25).map(({ id }) => id))
})
