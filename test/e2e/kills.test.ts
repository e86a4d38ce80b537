import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Report } from '../../coordinator/report/format.ts'
import { createStream } from '../../shared/random/stream.ts'
import { bitfleet, cleanUp, end, folder, start, startAgent, startCoordinator, until } from './bitfleet.ts'

// kill -9 of each side at seeded points of runs that are under way. `npm run test:faults` kills each a hundred times; a
// seed that failed is given again by BITFLEET_FAULT_SEED.

const kills = Number(process.env.BITFLEET_FAULT_KILLS ?? 3)
const seed = process.env.BITFLEET_FAULT_SEED ?? '1'
/** Kills of one run. */
const killsEach = 3

const plan = `name: under fire
seed: 42
repetitions: 3
workloads:
  - reduce.sum: { dtype: f32, n: 4096, data: wide }
factors:
  backend: [js]
  js.order: [sequential, pairwise, "lanes:8", exact]
`
const executions = 12

let dir: string
let store: string
let coordinator: Awaited<ReturnType<typeof startCoordinator>>
let agent: ChildProcess
let agentLog = ''

const state = () => ({ BITFLEET_STATE: join(dir, 'state') })

/** A fake of nothing: the same two processes as in a lab, restarted by whoever killed them. */
const victims = {
  async coordinator() {
    const gone = once(coordinator.child, 'exit')
    coordinator.child.kill('SIGKILL')
    await gone
    coordinator = await startCoordinator(store, ['--port', new URL(coordinator.url).port])
  },
  async agent() {
    const gone = once(agent, 'exit')
    agent.kill('SIGKILL')
    await gone
    watch(start(['agent', 'start'], { env: state() }))
  },
  /** One that is running now, or the next. */
  async runner() {
    let runner: number | undefined
    await until('a runner', () => (runner = childrenOf(agent.pid as number).at(-1)) !== undefined, 20_000).catch(
      () => {},
    )
    // It may have ended by itself since it was seen.
    if (runner !== undefined) tryKill(runner)
  },
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function watch(child: ChildProcess): void {
  agent = child
  agent.stderr?.on('data', (chunk: Buffer) => (agentLog += chunk.toString()))
}

const apiToken = () => readFileSync(join(store, 'api.token'), 'utf8').trim()
async function ask(path: string): Promise<string> {
  const headers = { Authorization: `Bearer ${apiToken()}` }
  return await (await fetch(`${coordinator.url}${path}`, { headers })).text()
}

interface Status {
  readonly state: string
  readonly ended: Record<string, number>
}
const statusOf = async (run: string) => JSON.parse(await ask(`/api/runs/${run}`)) as Status
const endedOf = ({ ended }: Status) => Object.values(ended).reduce((sum, count) => sum + count, 0)

const journal = () =>
  readFileSync(join(store, 'journal', 'journal.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** What a follower or an agent may have been told: executions in the journal, by repetition of a cell. */
function acknowledged(run: string): string[] {
  return journal()
    .filter((record) => record.kind === 'execution' && record.run === run)
    .map(({ cell, repetition, record }) => `${String(cell)} ${String(repetition)} ${String(record)}`)
}

async function submit(): Promise<string> {
  const file = join(dir, 'plan.yaml')
  writeFileSync(file, plan)
  let run = ''
  await until('a run', async () => {
    const { stdout, code } = await bitfleet(['run', file, '--store', store])
    run = stdout.trim()
    return code === 0
  })
  return run
}

/** A run's report but for its id, its times and what its executions used. */
async function finish(run: string) {
  await until(`the end of run ${run}`, async () => (await statusOf(run)).state === 'done', 150_000).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}\n${coordinator.log()}\n${agentLog.slice(-4000)}`)
    },
  )
  const { stdout } = await bitfleet(['report', run, '--format', 'json', '--store', store])
  const report = JSON.parse(stdout) as Report
  return { ...report, run: undefined, cells: report.cells.map((cell) => ({ ...cell, resources: undefined })) }
}

beforeEach(async () => {
  dir = folder()
  store = join(dir, 'store')
  coordinator = await startCoordinator(store)
  watch(await startAgent(store, coordinator.url, [], { env: state() }))
  await until('the agent', async () => (await ask('/api/agents')).includes('"connected":true'))
})
afterEach(async () => {
  await end(agent)
  await end(coordinator.child)
})
afterAll(cleanUp)

describe.each(Object.keys(victims) as (keyof typeof victims)[])('kill -9 of the %s', (victim) => {
  it(
    `${kills} times: the run goes on, what was acknowledged is there once, and the report is the same (seed ${seed})`,
    async () => {
      const draw = createStream(seed, `kills of the ${victim}`)
      const expected = await finish(await submit())
      for (let killed = 0; killed < kills; ) {
        const run = await submit()
        const points = Array.from({ length: Math.min(killsEach, kills - killed) }, () => draw.below(executions + 1))
        for (const point of points.sort((a, b) => a - b)) {
          // So many results in, and a moment more: in the middle of whatever comes next.
          await until(`${point} results`, async () => {
            const status = await statusOf(run)
            return endedOf(status) >= point || status.state !== 'running'
          })
          await delay(draw.below(60))
          const before = acknowledged(run)
          await victims[victim]()
          killed++
          expect(acknowledged(run).slice(0, before.length)).toEqual(before)
        }
        expect(await finish(run)).toEqual(expected)
        const all = acknowledged(run).map((line) => line.split(' ').slice(0, 2).join(' '))
        expect([all.length, new Set(all).size]).toEqual([executions, executions])
      }
      const { stdout, code } = await bitfleet(['fsck', store, '--json'])
      expect([code, (JSON.parse(stdout) as { problems: unknown[] }).problems]).toEqual([0, []])
      // The index that lived through all of it is the one that the files make.
      await end(agent)
      const [runs, agents] = [await ask('/api/runs'), await ask('/api/agents')]
      await end(coordinator.child)
      expect((await bitfleet(['reindex', '--store', store])).code).toBe(0)
      coordinator = await startCoordinator(store)
      expect(await ask('/api/runs')).toBe(runs)
      expect(await ask('/api/agents')).toBe(agents.replaceAll('"connected":true', '"connected":false'))
      const audit = (await bitfleet(['audit', '--store', store])).stdout
      expect(audit.match(/ submitted run /g)?.length).toBe(1 + Math.ceil(kills / killsEach))
      if (victim === 'runner') expect(audit).toMatch(/was killed from outside, attempt 1 at /)
    },
    180_000 + kills * 40_000,
  )
})
