import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { compareRun } from '../coordinator/compare/compare-run.ts'
import { assembleReport } from '../coordinator/report/assemble.ts'
import type { Report } from '../coordinator/report/format.ts'
import { createControlFold, createRegistry, type Registry } from '../coordinator/enrolment/index.ts'
import { createScheduler, type Scheduler, type SchedulerOptions } from '../coordinator/scheduler/scheduler.ts'
import { openStore, type Store } from '../coordinator/store/index.ts'
import type { AgentRecord, HeldJob, Job } from '../shared/messages.ts'
import { completedWith, coordinatorKey, createFakeAgent, fakeKey, type FakeAgent } from './fake-agent.ts'
import { createMemoryLine } from './memory-line.ts'
import { f32, syntheticAgent } from './synthetic-run.ts'

export const planOf = (repetitions = 2, orders = '[sequential, reverse]') => `name: sums
repetitions: ${repetitions}
workloads:
  - reduce.sum: { dtype: f32, n: 4 }
factors:
  backend: [js]
  js.order: ${orders}
`

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
export const agentRecord = (id: string, slots = 1): AgentRecord => ({ ...syntheticAgent(id), backends: js, slots })

/** The sum of four ones, or another's by order: bits that differ by condition alone. */
export const honest = ({ condition }: Job) =>
  completedWith([
    ['input', f32([1, 1, 1, 1])],
    ['sum', f32([condition.knobs.order === 'reverse' ? 4.5 : 4], [])],
  ])

export interface SchedulerHarness {
  readonly store: Store
  readonly registry: Registry
  /** Has the registry know an agent by the key that its name gives. */
  enrol(agent: AgentRecord, standing?: 'pending'): Promise<void>
  start(options?: Partial<SchedulerOptions>): Scheduler
  connect(scheduler: Scheduler, agent: AgentRecord, holding?: readonly HeldJob[]): Promise<FakeAgent>
  /** Waits for a run's end. @throws if it failed */
  finish(scheduler: Scheduler, run: string): Promise<Report>
}

/** Schedulers over one store for the tests of a file; agents are fakes on lines in memory. */
export function schedulerHarness(): SchedulerHarness {
  let folder: string
  let store: Store
  let schedulers: Scheduler[] = []
  const fold = createControlFold()
  const registry = createRegistry({
    ...{ key: coordinatorKey, fold },
    append: (body) => store.append(body),
  })
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bitfleet-scheduler-'))
    store = await openStore(folder)
  }, 120_000)
  const enrol: SchedulerHarness['enrol'] = async ({ id, name, labels }, standing) => {
    if (registry.find(id)) return
    const token = '0'.repeat(64)
    const { publicKey: key } = fakeKey(id)
    fold.apply(
      await store.append({
        ...{
          kind: 'agent-enrolled',
          by: `agent:${id}`,
          agent: id,
          key,
          name,
          labels,
          token,
          standing: standing ?? 'enrolled',
        },
      }),
    )
  }
  afterEach(async () => {
    for (const scheduler of schedulers) await scheduler.stop()
    schedulers = []
  })
  afterAll(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
  return {
    get store() {
      return store
    },
    ...{ registry, enrol },
    start(options = {}) {
      const scheduler = createScheduler({
        ...{ store, registry, coordinator: 'test', findDescription: () => undefined },
        buildReport: async (data, artifacts) => assembleReport(data, await compareRun(data, artifacts), 'test'),
        ...options,
      })
      schedulers.push(scheduler)
      return scheduler
    },
    async connect(scheduler, agent, holding) {
      await enrol(agent)
      const [near, far] = createMemoryLine()
      void scheduler.serve(near)
      const fake = createFakeAgent(far, agent)
      await fake.comeIn(holding)
      const line = { open: true }
      void far.closed.then(() => (line.open = false))
      while (line.open && !scheduler.connected().has(agent.id)) await breathe()
      return fake
    },
    async finish(scheduler, run) {
      for await (const event of scheduler.follow(run, 0)) {
        if (event.type === 'state' && event.state === 'failed') throw new Error(event.failure)
      }
      return (await store.loadReport(run)) as Report
    },
  }
}
