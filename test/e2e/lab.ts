import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from '../../coordinator/report/format.ts'
import { bitfleet, end, folder, type Start, start, startAgent, startCoordinator, until } from './bitfleet.ts'

/** One agent's twelve short executions. */
export const shortPlan = `name: under fire
seed: 42
repetitions: 3
workloads:
  - reduce.sum: { dtype: f32, n: 4096, data: wide }
factors:
  backend: [js]
  js.order: [sequential, pairwise, "lanes:8", exact]
`
export const shortExecutions = 12

export interface LabOptions {
  /** Folders of one's own, such as small file systems. */
  readonly store?: string
  readonly state?: string
  /** How the two sides are started, such as with another clock. */
  readonly coordinator?: Start
  readonly agent?: Start
  /** What `agent start` is given besides. */
  readonly agentArgv?: readonly string[]
}

export interface RunStatus {
  readonly state: string
  readonly waiting: number
  readonly running: number
  readonly ended: Record<string, number>
}

/** The two processes of a small lab, which faults happen to; a test ends it. */
export interface Lab {
  readonly dir: string
  readonly store: string
  readonly state: string
  readonly url: string
  readonly coordinator: ChildProcess
  readonly agent: ChildProcess
  /** What they said, over all their lives. */
  coordinatorLog(): string
  agentLog(): string
  startCoordinator(options?: Start): Promise<void>
  startAgent(options?: Start): Promise<void>
  kill(child: ChildProcess): Promise<void>
  ask(path: string): Promise<string>
  connected(): Promise<boolean>
  submit(plan?: string): Promise<string>
  statusOf(run: string): Promise<RunStatus>
  endedOf(run: string): Promise<number>
  /** A run's report once it has ended, but for its id, its times and what its executions used. */
  finish(run: string, limitMs?: number): Promise<unknown>
  journal(): Record<string, unknown>[]
  /** Executions in the journal, as `CELL REPETITION`. */
  executionsOf(run: string): string[]
  /** Files of results that the agent has and the coordinator did not acknowledge. */
  spooled(folder?: string): string[]
  audit(): Promise<string>
  /** What `bitfleet fsck` finds. */
  problems(): Promise<unknown[]>
  /** Ends both. */
  close(): Promise<void>
}

/** Starts a coordinator and an agent of it, and waits until that is connected. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const dir = folder()
  const store = options.store ?? join(dir, 'store')
  const state = options.state ?? join(dir, 'state')
  const { agentArgv = [] } = options
  const agentStart = (given: Start = options.agent ?? {}): Start => ({
    ...given,
    env: { BITFLEET_STATE: state, ...given.env },
  })
  let port = '0'
  let coordinatorLog = ''
  let agentLog = ''
  let running: Awaited<ReturnType<typeof startCoordinator>>
  let agent: ChildProcess
  const watch = (child: ChildProcess) => {
    agent = child
    child.stderr?.on('data', (chunk: Buffer) => (agentLog += chunk.toString()))
  }
  const launchCoordinator = async (given: Start = options.coordinator ?? {}) => {
    running = await startCoordinator(store, ['--port', port], given)
    port = new URL(running.url).port
    running.child.stderr?.on('data', (chunk: Buffer) => (coordinatorLog += chunk.toString()))
  }

  await launchCoordinator()
  const lab: Lab = {
    ...{ dir, store, state },
    get url() {
      return running.url
    },
    get coordinator() {
      return running.child
    },
    get agent() {
      return agent
    },
    coordinatorLog: () => coordinatorLog,
    agentLog: () => agentLog,
    startCoordinator: launchCoordinator,
    async startAgent(given) {
      watch(start(['agent', 'start', ...agentArgv], agentStart(given)))
    },
    async kill(child) {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
    async ask(path) {
      const headers = { Authorization: `Bearer ${readFileSync(join(store, 'api.token'), 'utf8').trim()}` }
      return await (await fetch(`${running.url}${path}`, { headers })).text()
    },
    connected: async () => (await lab.ask('/api/agents')).includes('"connected":true'),
    async submit(plan = shortPlan) {
      const file = join(dir, 'plan.yaml')
      writeFileSync(file, plan)
      let run = ''
      await until('a run', async () => {
        const { stdout, code } = await bitfleet(['run', file, '--store', store])
        run = stdout.trim()
        return code === 0
      })
      return run
    },
    statusOf: async (run) => JSON.parse(await lab.ask(`/api/runs/${run}`)) as RunStatus,
    endedOf: async (run) => Object.values((await lab.statusOf(run)).ended).reduce((sum, count) => sum + count, 0),
    async finish(run, limitMs = 120_000) {
      await until(`the end of run ${run}`, async () => (await lab.statusOf(run)).state === 'done', limitMs).catch(
        (error: unknown) => {
          throw new Error(`${String(error)}\n${coordinatorLog.slice(-6000)}\n${agentLog.slice(-6000)}`)
        },
      )
      const { stdout } = await bitfleet(['report', run, '--format', 'json', '--store', store])
      const report = JSON.parse(stdout) as Report
      return { ...report, run: undefined, cells: report.cells.map((cell) => ({ ...cell, resources: undefined })) }
    },
    journal: () =>
      readFileSync(join(store, 'journal', 'journal.jsonl'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    executionsOf: (run) =>
      lab
        .journal()
        .filter((record) => record.kind === 'execution' && record.run === run)
        .map(({ cell, repetition }) => `${String(cell)} ${String(repetition)}`),
    spooled(name = 'results') {
      const path = join(state, 'agents', 'default', 'spool', name)
      return existsSync(path) ? readdirSync(path) : []
    },
    audit: async () => (await bitfleet(['audit', '--store', store])).stdout,
    async problems() {
      const { stdout, stderr } = await bitfleet(['fsck', store, '--json'])
      if (stdout === '') throw new Error(`bitfleet fsck: ${stderr}`)
      return (JSON.parse(stdout) as { problems: unknown[] }).problems
    },
    async close() {
      if (agent !== undefined) await end(agent)
      await end(running.child)
    },
  }
  try {
    watch(await startAgent(store, lab.url, agentArgv, agentStart()))
    await until('the agent', () => lab.connected())
  } catch (error) {
    await lab.close()
    throw new Error(`${String(error)}\n${coordinatorLog}\n${agentLog}`, { cause: error })
  }
  return lab
}
