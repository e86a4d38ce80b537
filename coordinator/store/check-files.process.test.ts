import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ExecutionRecord } from '../../shared/cell.ts'
import { digestOf } from '../../shared/digest.ts'
import type { SignedResult } from '../../shared/signed-result.ts'
import { agentRecord, honest, planOf, schedulerHarness } from '../../test/scheduler-harness.ts'
import { coordinatorKey } from '../../test/fake-agent.ts'
import { apiToken, createTestPeople } from '../../test/people.ts'
import { createApi } from '../api/index.ts'
import { createControlFold, createRegistry, type Registry } from '../enrolment/index.ts'
import { createFleet } from '../fleet.ts'
import { createScheduler, type Scheduler } from '../scheduler/index.ts'
import { checkFiles, journalPath, openStore, readJournal, reindexStore, type Store } from './index.ts'

// Many runs of a store in one test.
vi.setConfig({ testTimeout: 60_000 })

const bench = schedulerHarness()
let scratch: string
let count = 0
const runs: string[] = []
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bitfleet-check-'))
  const scheduler = bench.start()
  const agent = await bench.connect(scheduler, agentRecord('a-1'))
  agent.work(honest)
  runs.push((await scheduler.submit({ plan: planOf(), inputs: [] }, 'api')).id)
  await bench.finish(scheduler, runs[0] as string)
  agent.work((job) => ({
    execution: {
      ...honest(job).execution,
      outputs: [],
      trace: undefined,
      outcome: { status: 'crashed', signal: 'SIGSEGV', stderr: '\0' },
    },
  }))
  runs.push((await scheduler.submit({ plan: planOf(1), inputs: [], name: 'crashing' }, 'api')).id)
  await bench.finish(scheduler, runs[1] as string)
  await bench.store.putObject(Buffer.from('of nobody'), digestOf('of nobody'))
  await bench.store.append({ kind: 'audit', by: 'api', action: 'looked at', subject: 'the last line' })
}, 120_000)
afterAll(() => rm(scratch, { recursive: true }))

/** The files that are the truth, without the index. */
async function copyStore(): Promise<string> {
  const dir = join(scratch, String(count++))
  await cp(bench.store.dir, dir, {
    recursive: true,
    filter: (path) => !/^(db|lock\.\d+|incoming)/.test(relative(bench.store.dir, path)),
  })
  return dir
}

const filesOf = async (dir: string, folder: string) =>
  (await readdir(join(dir, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe('fsck', () => {
  it('finds nothing in a sound store, and says what it read', async () => {
    const dir = await copyStore()
    const { checked, problems, notes } = await checkFiles(dir)
    expect([problems, notes]).toEqual([[], []])
    expect(checked).toMatchObject({ traces: 2 })
    expect(checked.records).toBe((await filesOf(dir, 'records')).length)
    expect(checked.objects).toBe((await filesOf(dir, 'objects')).length)
    // Beside the coordinator that writes to it.
    expect((await checkFiles(bench.store.dir)).problems).toEqual([])
  })

  it('finds one flipped bit in any file, and names it', async () => {
    const dir = await copyStore()
    const files = [...(await filesOf(dir, 'records')), ...(await filesOf(dir, 'objects')), journalPath(dir)]
    expect(files.length).toBeGreaterThan(15)
    for (const [i, file] of files.entries()) {
      const bytes = await readFile(file)
      const damaged = Buffer.from(bytes)
      const at = (i * 7919) % bytes.length
      damaged[at] = (damaged[at] as number) ^ (1 << (i % 8))
      await writeFile(file, damaged)
      const { problems } = await checkFiles(dir)
      expect(problems.map((problem) => problem.file)).toContain(file)
      expect(problems.every(({ remedy }) => remedy.length > 0)).toBe(true)
      await writeFile(file, bytes)
    }
    expect((await checkFiles(dir)).problems).toEqual([])
  })

  it('finds every file that is gone, and says what it was', async () => {
    const dir = await copyStore()
    const files = [...(await filesOf(dir, 'records')), ...(await filesOf(dir, 'objects')), journalPath(dir)]
    const unnoticed: string[] = []
    for (const file of files) {
      const bytes = await readFile(file)
      await rm(file)
      const { problems } = await checkFiles(dir)
      if (!problems.some((problem) => problem.file === file)) unnoticed.push(bytes.toString())
      await writeFile(file, bytes)
    }
    // Tensors may be fetched again; nobody says that they are kept here.
    expect(unnoticed.every((text) => !text.startsWith('{'))).toBe(true)
    expect(unnoticed).toContain('of nobody')
  })

  it('checks the signature of every result, and names those that are forged', async () => {
    const dir = await copyStore()
    const store = await openStore(dir)
    const [honestly] = (await store.loadRun(runs[0] as string)).executions
    const { statement, signature } = (honestly as ExecutionRecord).signed as SignedResult
    const forged: [Partial<ExecutionRecord>, RegExp][] = [
      [{ signed: { statement, signature: 'f'.repeat(128) } }, /of no key of agent a-1/],
      [{ signed: { statement: { ...statement, nonce: 'x' }, signature } }, /of no key of agent a-1/],
      [{ signed: { statement: { ...statement, agent: 'a-none' }, signature } }, /names no key of agent a-none/],
      [{ attempt: 9 }, /for attempt 1/],
      [{ execution: { ...(honestly as ExecutionRecord).execution, log: 'more' } }, /an execution of digest/],
    ]
    for (const [i, [changes]] of forged.entries()) {
      const record = { ...(honestly as ExecutionRecord), ...changes, repetition: 90 + i }
      await store.recordExecution(runs[0] as string, record)
    }
    await store.close()
    const { problems } = await checkFiles(dir)
    expect(problems).toHaveLength(forged.length)
    for (const [, what] of forged) expect(problems.map((problem) => problem.what).join('\n')).toMatch(what)
  })

  it('mentions a torn end of the journal, and does not count it as damage', async () => {
    const dir = await copyStore()
    await appendFile(journalPath(dir), '{"at":"2026')
    await (await openStore(dir)).close()
    const { problems, notes } = await checkFiles(dir)
    expect(problems).toEqual([])
    expect(notes).toEqual([expect.stringContaining('a crash cut short')])
  }, 60_000)

  it('is of stores', async () => {
    await expect(checkFiles(tmpdir())).rejects.toMatchObject({ code: 'not-found' })
    await expect(checkFiles(join(scratch, 'none'))).rejects.toMatchObject({ code: 'not-found' })
  })
})

/** As a process that opens the store has it. */
async function registryOf(store: Store): Promise<Registry> {
  const fold = createControlFold()
  await readJournal(journalPath(store.dir), ({ record }) => fold.apply(record))
  return createRegistry({ key: coordinatorKey, fold, append: (body) => store.append(body) })
}

/** What the API says of all that it can be asked about. */
async function answers(store: Store, scheduler: Scheduler): Promise<Record<string, string>> {
  const { people } = createTestPeople()
  const fleet = createFleet(await registryOf(store), scheduler, store)
  const api = createApi({ store, scheduler, people, fleet, software: 'test' }, { loopback: true, hosts: [] })
  const headers = { Host: '127.0.0.1', Authorization: `Bearer ${apiToken}` }
  const said: Record<string, string> = {}
  const ask = async (path: string) => {
    const response = await api.request(`http://127.0.0.1${path}`, { headers })
    said[path] = `${response.status} ${Buffer.from(await response.arrayBuffer()).toString('base64')}`
  }
  await ask('/api/runs')
  await ask('/api/agents')
  for (const run of runs) {
    for (const part of ['', '/events', '/artifacts/report.json', '/report', '/artifacts/index.json']) {
      await ask(`/api/runs/${run}${part}`)
    }
    for (const { execution } of (await store.loadRun(run)).executions) {
      if (execution.trace !== undefined) await ask(`/api/traces/${execution.trace}`)
      for (const { digest } of execution.outputs) await ask(`/api/artifacts/${digest}`)
    }
  }
  return said
}

describe('reindex', () => {
  it('makes an index of which every answer is the same', async () => {
    // The agent has left: connected or not is no matter of the index.
    const schedulerOf = async (store: Store) =>
      createScheduler({
        ...{ store, registry: await registryOf(store), coordinator: 'test', findDescription: () => undefined },
        buildReport: () => Promise.reject(new Error('there is nothing to compare')),
      })
    const before = await answers(bench.store, await schedulerOf(bench.store))
    expect(Object.values(before).filter((text) => text.startsWith('200')).length).toBeGreaterThan(8)
    const dir = await copyStore()
    const made = await reindexStore(dir)
    expect(made).toMatchObject({ runs: 2, agents: 1 })
    const store = await openStore(dir)
    expect(await answers(store, await schedulerOf(store))).toEqual(before)
    await store.close()
    // Again, from an index that is there.
    expect(await reindexStore(dir)).toEqual(made)
  }, 120_000)

  it('does without the record of an execution that was removed', async () => {
    const dir = await copyStore()
    const records = await filesOf(dir, 'records')
    for (const path of records) if ((await readFile(path, 'utf8')).includes('SIGSEGV')) await rm(path)
    await reindexStore(dir)
    const store = await openStore(dir)
    expect((await store.loadRun(runs[1] as string)).executions).toEqual([])
    expect((await store.loadRun(runs[0] as string)).executions).toHaveLength(4)
    await store.close()
  }, 60_000)
})

describe('opening', () => {
  it('enters what the index has not, and leaves a journal alone that was cut or exchanged', async () => {
    const dir = await copyStore()
    await (await openStore(dir)).close()
    const path = journalPath(dir)
    const whole = await readFile(path, 'utf8')
    const lines = whole.trimEnd().split('\n')
    await writeFile(path, `${lines.slice(0, -1).join('\n')}\n`)
    await expect(openStore(dir)).rejects.toMatchObject({
      code: 'format',
      message: expect.stringContaining('was cut off'),
    })
    const other = join(scratch, 'other')
    const second = await openStore(other)
    for (let i = 0; i < lines.length; i++) {
      await second.append({ kind: 'audit', by: 'api', action: 'noted', subject: `${i}` })
    }
    await second.close()
    await cp(journalPath(other), path)
    await expect(openStore(dir)).rejects.toMatchObject({ message: expect.stringContaining('another journal') })
    await rm(path)
    await expect(openStore(dir)).rejects.toMatchObject({ message: expect.stringContaining('no journal') })
    await writeFile(path, whole)
    const store = await openStore(dir)
    expect(await store.listRuns()).toHaveLength(2)
    await store.close()
  }, 120_000)
})
