import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../coordinator/report/format.ts'
import {
  bitfleet,
  cleanUp,
  end,
  type Ended,
  folder,
  start,
  startAgent as startWithToken,
  startCoordinator as startIt,
  until,
} from './bitfleet.ts'

// An agent and its coordinator, each ended in the middle of things; what an agent made is handed in all the same.

interface Status {
  readonly running: boolean
  readonly pid?: number
  readonly connection?: { readonly state: string }
  readonly jobs?: { readonly running: number; readonly waiting: number }
  readonly spool: { readonly records: number }
}

let dir: string
let store: string
let port = '0'
let coordinator: ChildProcess
let agent: ChildProcess
const processes: ChildProcess[] = []
const env = () => ({ BITFLEET_STATE: join(dir, 'state') })

async function startCoordinator(): Promise<void> {
  const started = await startIt(store, ['--port', port])
  coordinator = started.child
  port = new URL(started.url).port
  processes.push(coordinator)
}

async function startAgent(...more: string[]): Promise<void> {
  // Once it has enrolled, it needs no token.
  agent = existsSync(join(dir, 'state/agents/default/enrolment.json'))
    ? start(['agent', 'start', ...more], { env: env() })
    : await startWithToken(store, `http://127.0.0.1:${port}`, more, { env: env() })
  processes.push(agent)
  await until('the agent', async () => (await status()).code === 0)
}

async function status(): Promise<Ended & { said: Status }> {
  const ended = await bitfleet(['agent', 'status', '--json'], { env: env() })
  return { ...ended, said: JSON.parse(ended.stdout) as Status }
}

async function startRun(name: string, executions: number, n: number): Promise<() => Promise<Report>> {
  const plan = join(dir, `${name}.yaml`)
  writeFileSync(
    plan,
    `name: ${name}\nrepetitions: ${executions}\nworkloads: [ linalg.gemm: { dtype: f32, n: ${n}, data: centred } ]\nfactors: { backend: [js] }\n`,
  )
  const { code, stdout, stderr } = await bitfleet(['run', plan, '--store', store])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const run = /\b\d{8}-\d{6}-[0-9a-f]+/.exec(stdout + stderr)?.[0] as string
  return async () => {
    // Waits for its end.
    await until(`run ${run}`, async () => {
      const { stdout: text } = await bitfleet(['report', run, '--store', store, '--format', 'json'])
      return text !== '' && (JSON.parse(text) as Report).run.state === 'done'
    })
    return JSON.parse((await bitfleet(['report', run, '--store', store, '--format', 'json'])).stdout) as Report
  }
}

const running = () => until('an execution', async () => (await status()).said.jobs?.running === 1)
const spooled = () => readdirSync(join(dir, 'state/agents/default/spool/results')).length

beforeAll(async () => {
  dir = folder()
  store = join(dir, 'store')
  await startCoordinator()
  await startAgent()
})

afterAll(async () => {
  for (const child of processes.reverse()) await end(child)
  cleanUp()
})

describe('an agent on a machine', () => {
  it('says how it is, also to two who ask at once', async () => {
    const [one, two] = await Promise.all([status(), bitfleet(['agent', 'status'], { env: env() })])
    expect(one.code).toBe(0)
    expect(one.said).toMatchObject({ running: true, pid: agent.pid, connection: { state: 'connected' } })
    expect(two.code).toBe(0)
    expect(two.stdout).toMatch(/^agent .* connected to http:\/\/127\.0\.0\.1/)
  })

  it('is not reset while it runs', async () => {
    const { code, stderr } = await bitfleet(['agent', 'reset', '--yes'], { env: env() })
    expect(code).toBe(2)
    expect(stderr).toMatch(/held by process \d+; end the agent first/)
  })

  it('keeps what it made while there was no coordinator, though it is killed itself, and hands it in', async () => {
    const finish = await startRun('killed', 2, 700)
    await running()
    coordinator.kill('SIGKILL')
    await until('a result on disk', () => spooled() === 1)
    expect((await status()).code).toBe(1)
    agent.kill('SIGKILL')
    await until('the end of the agent', async () => (await status()).code === 3)
    expect((await status()).said).toMatchObject({ running: false, spool: { records: 1 } })
    const reset = await bitfleet(['agent', 'reset', '--yes'], { env: env() })
    expect(reset).toMatchObject({ code: 2, stderr: expect.stringMatching(/1 results .*--discard-results/) })
    const drain = await bitfleet(['agent', 'drain', '--wait'], { env: env() })
    expect(drain).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/1 results wait in its spool: start it again/),
    })

    await startCoordinator()
    await startAgent()
    const report = await finish()
    expect(report.cells).toMatchObject([{ status: 'completed', repetitions: 2 }])
    expect(report.comparisons[0]?.classes).toHaveLength(1)
    await until('an empty spool', () => spooled() === 0)
  })

  it('finishes within its grace what runs when it is told to end', async () => {
    const finish = await startRun('terminated', 1, 600)
    await running()
    agent.kill('SIGTERM')
    await until('the end of the agent', () => agent.exitCode !== null)
    expect(agent.exitCode).toBe(0)
    const report = await finish()
    expect(report.cells).toMatchObject([{ status: 'completed' }])
    await startAgent('--grace', '0')
  })

  it('ends at once where its grace is none, and the job is made again when it is back', async () => {
    const finish = await startRun('graceless', 1, 700)
    await running()
    agent.kill('SIGTERM')
    await until('the end of the agent', () => agent.exitCode !== null)
    expect(spooled()).toBe(0)
    await startAgent()
    expect((await finish()).cells).toMatchObject([{ status: 'completed' }])
  })

  it('drains: ends when what it has is acknowledged, and a second time is no error', async () => {
    const finish = await startRun('drained', 3, 500)
    await running()
    const [first, second] = await Promise.all([
      bitfleet(['agent', 'drain', '--wait'], { env: env() }),
      bitfleet(['agent', 'drain'], { env: env() }),
    ])
    expect(first).toMatchObject({ code: 0, stderr: expect.stringMatching(/has ended/) })
    expect(second.code).toBe(0)
    await until('the end of the agent', () => agent.exitCode !== null)
    expect(agent.exitCode).toBe(0)
    expect(spooled()).toBe(0)
    expect(await bitfleet(['agent', 'drain'], { env: env() })).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/not running, and its spool is empty/),
    })
    await startAgent()
    expect((await finish()).cells).toMatchObject([{ status: 'completed' }])
  })

  it('is reset when it has ended, and says before what that removes', async () => {
    await bitfleet(['agent', 'drain', '--wait'], { env: env() })
    expect(await bitfleet(['agent', 'reset'], { env: env() })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/key\.pem.*the agent becomes another one[^]*give --yes/),
    })
    const home = join(dir, 'state/agents/default')
    expect(existsSync(join(home, 'key.pem'))).toBe(true)
    const key = readFileSync(join(home, 'key.pem'), 'utf8')
    expect((await bitfleet(['agent', 'reset', '--yes'], { env: env() })).code).toBe(0)
    expect(readdirSync(home).filter((name) => !name.startsWith('lock.'))).toEqual([])
    expect((await bitfleet(['agent', 'reset'], { env: env() })).code).toBe(0)
    await startAgent()
    expect(readFileSync(join(home, 'key.pem'), 'utf8')).not.toBe(key)
  })
})
