import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CellRecord, RunData, RunRecord } from '../../coordinator/records.ts'
import { withFindings } from '../../coordinator/report/assemble.ts'
import { type Report, reportSchemaName } from '../../coordinator/report/format.ts'
import type { Store } from '../../coordinator/store/index.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { arbitraryTensor, hostileTensors } from '../hostile-bits.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../synthetic-run.ts'

const agents = [syntheticAgent('a-1'), syntheticAgent('a-2', { libc: 'glibc 2.41' })]

/** A run with completed, failed and absent executions, under an id of its own. */
function sampleRun(id: string) {
  const run = createSyntheticRun(agents, { id, name: `nul \0, quote ", line\nand \u202e` })
  for (const backend of ['js', 'tfjs-wasm']) {
    for (const [i, agent] of ['a-2', 'a-1'].entries()) {
      const checkpoints = [{ step: 0, name: 'sum', tensor: f32([i + 1.5], []), output: true }]
      run.add({
        ...{ agent, workload: 'reduce.sum', params: { n: 64, tiny: 5e-324, negative: -0 }, backend },
        executions: [
          { checkpoints },
          i === 0 ? null : { outcome: { status: 'crashed', signal: 'SIGSEGV', stderr: 'a \0 in a log' } },
        ],
      })
    }
  }
  return { data: run.data(), traces: run.traces }
}

function reportOf({ run }: RunData): Report {
  const { id, name, createdAt, planText: plan, planDigest } = run
  return withFindings({
    schema: reportSchemaName,
    run: { id, name, state: 'done', createdAt, plan, planDigest, software: 'bitfleet 0.1.0', notes: ['<note> \0'] },
    agents,
    workloads: [],
    cells: [],
    comparisons: [],
  })
}

async function record(store: Store, { run, cells, executions }: RunData, traces: ReadonlyMap<string, string>) {
  await store.createRun({ ...run, state: 'running', endedAt: undefined } as unknown as RunRecord, cells)
  for (const one of executions) {
    const { trace } = one.execution
    expect(await store.recordExecution(run.id, one, trace === undefined ? undefined : traces.get(trace))).toBe(true)
  }
}

/**
 * What every store must keep to.
 *
 * @param open opens the store of a folder; called again with it after `close`
 */
export function storeContract(open: (folder: string) => Promise<Store>, createFolder: () => Promise<string>): void {
  let folder: string
  let store: Store
  beforeAll(async () => {
    folder = await createFolder()
    store = await open(folder)
  }, 120_000)
  afterAll(() => store.close())

  describe('objects', () => {
    it('brings every hostile bit pattern back', async () => {
      for (const { bytes } of hostileTensors()) {
        const digest = digestOf(bytes)
        await store.putObject(bytes, digest)
        const back = await store.getObject(digest)
        expect(back && digestOf(back)).toBe(digest)
        expect(Buffer.compare(Buffer.from(back as Uint8Array), Buffer.from(bytes))).toBe(0)
      }
    })

    it('brings any tensor back, whatever pieces it came in', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryTensor(), fc.integer({ min: 1, max: 9 }), async ({ bytes }, size) => {
          async function* pieces() {
            for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
          }
          const digest = digestOf(bytes)
          await store.putObject(pieces(), digest)
          expect(digestOf((await store.artifacts().tensor(digest)) as Uint8Array)).toBe(digest)
        }),
        { numRuns: 40 },
      )
    })

    it('takes no bytes under another digest, whole or in pieces', async () => {
      const digest = digestOf('these')
      async function* pieces() {
        yield Buffer.from('tho')
        yield Buffer.from('se')
      }
      await expect(store.putObject(Buffer.from('those'), digest)).rejects.toMatchObject({ code: 'digest-mismatch' })
      await expect(store.putObject(pieces(), digest)).rejects.toMatchObject({ code: 'digest-mismatch' })
      expect(await store.hasObject(digest)).toBe(false)
      expect(await store.getObject(digest)).toBeUndefined()
    })

    it('stops at the bound on size without knowing the size', async () => {
      let read = 0
      async function* endless() {
        for (;;) {
          read++
          yield new Uint8Array(1 << 16)
        }
      }
      await expect(store.putObject(endless(), digestOf('x'), 1 << 20)).rejects.toMatchObject({ code: 'limit' })
      expect(read).toBe(17)
    })

    it('keeps the same bytes written many times at once', async () => {
      const bytes = Buffer.from('many writers')
      await Promise.all(Array.from({ length: 8 }, () => store.putObject(bytes, digestOf(bytes))))
      expect(await store.getObject(digestOf(bytes))).toEqual(bytes)
    })

    it('refuses what is no digest', async () => {
      for (const name of ['sha256:../../../api.token', 'sha256:', '../lock', `sha256:${'A'.repeat(64)}`]) {
        await expect(store.getObject(name as Digest)).rejects.toMatchObject({ code: 'format' })
      }
    })
  })

  describe('runs', () => {
    it('gives back what was recorded, in the plan’s order whatever order it came in', async () => {
      const { data, traces } = sampleRun('run-order')
      await record(store, { ...data, executions: [...data.executions].reverse() }, traces)
      await store.setRunState('run-order', 'comparing')
      await store.setRunState('run-order', 'done', { endedAt: data.run.endedAt as string })
      const loaded = await store.loadRun('run-order')
      const order = (cells: readonly CellRecord[]) => [...cells].sort((a, b) => a.position - b.position)
      // JSON has no -0: parameters are the plan's, and the plan is text.
      expect(loaded).toEqual({ ...data, cells: order(JSON.parse(JSON.stringify(data.cells))) })
      expect((await store.loadPlan('run-order')).cells).toEqual(loaded.cells)
      expect((await store.listExecutions('run-order')).map(({ status }) => status)).toEqual([
        ...['completed', 'completed', 'crashed', 'completed', 'completed', 'crashed'],
      ])
      for (const [digest, text] of traces) expect(await store.artifacts().trace(digest)).toBe(text)
    })

    it('records a repetition once, whichever attempt comes second, even at the same moment', async () => {
      const { data, traces } = sampleRun('run-twice')
      await store.createRun(data.run, data.cells)
      const [first] = data.executions as [RunData['executions'][number]]
      const text = traces.get(first.execution.trace as string)
      const answers = await Promise.all(
        [1, 2, 1].map((attempt) => store.recordExecution('run-twice', { ...first, attempt }, text)),
      )
      expect(answers.filter(Boolean)).toHaveLength(1)
      expect(await store.recordExecution('run-twice', { ...first, attempt: 3 }, text)).toBe(false)
      expect((await store.loadRun('run-twice')).executions).toHaveLength(1)
    })

    it('has one run of an id, and says what is not there', async () => {
      const { data } = sampleRun('run-once')
      await store.createRun(data.run, data.cells)
      await expect(store.createRun(data.run, data.cells)).rejects.toMatchObject({ code: 'conflict' })
      for (const ask of [
        store.loadRun('none'),
        store.listExecutions('none'),
        store.loadReport('none'),
        store.setRunState('none', 'done'),
      ]) {
        await expect(ask).rejects.toMatchObject({ code: 'not-found' })
      }
      expect(await store.artifacts().trace('0'.repeat(64))).toBeUndefined()
    })

    it('finds runs by name, id and agent, a page at a time', async () => {
      const made = ['alpha', 'Beta "quoted" \0', 'beta \u202e', 'gamma'].map((name, i) => {
        const run = createSyntheticRun(agents, { id: `find-${i}`, name, createdAt: `2020-01-0${i + 1}T00:00:00.000Z` })
        run.add({ agent: i === 3 ? 'a-2' : 'a-1', workload: 'reduce.sum', backend: 'js', executions: [null] })
        return run.data()
      })
      for (const { run, cells } of made) await store.createRun(run, cells)
      const find = async (query: Parameters<Store['findRuns']>[0]) => {
        const { runs, total } = await store.findRuns(query)
        return [total, ...runs.map(({ id }) => id)]
      }
      expect(await find({ text: 'FIND-', limit: 2 })).toEqual([4, 'find-3', 'find-2'])
      expect(await find({ text: 'find-', limit: 2, offset: 2 })).toEqual([4, 'find-1', 'find-0'])
      expect(await find({ text: 'beta', limit: 9 })).toEqual([2, 'find-2', 'find-1'])
      expect(await find({ text: '"QUOTED" \0', limit: 9 })).toEqual([1, 'find-1'])
      for (const text of ['%', '_eta', "' or 1=1 --", '\\']) expect(await find({ text, limit: 9 })).toEqual([0])
      expect(await find({ text: 'find-', agent: 'a-2', limit: 9 })).toEqual([1, 'find-3'])
      expect(await find({ agent: 'nobody', limit: 9 })).toEqual([0])
      const all = await store.findRuns({ limit: 1000 })
      expect(all).toEqual({ runs: await store.listRuns(), total: all.runs.length })
    })

    it('keeps a report', async () => {
      const { data } = sampleRun('run-report')
      await store.createRun(data.run, data.cells)
      expect(await store.loadReport('run-report')).toBeUndefined()
      const report = reportOf(data)
      await store.saveReport('run-report', report)
      expect(await store.loadReport('run-report')).toEqual(report)
    })

    it('keeps an agent as it was last', async () => {
      const agent = syntheticAgent('agent-with-\u202e', {}, '<script>\0')
      await store.saveAgent({ ...agent, id: 'z-1' })
      await store.saveAgent({ ...agent, id: 'z-1', slots: 3 })
      await store.saveAgent({ ...agent, id: 'b-1' })
      expect((await store.listAgents()).map(({ id, slots }) => [id, slots])).toEqual([
        ['b-1', agent.slots],
        ['z-1', 3],
      ])
    })
  })

  it('finds all of it again when opened again, with and without its index', async () => {
    const summary = async (from: Store) => ({
      runs: await from.listRuns(),
      agents: await from.listAgents(),
      data: await from.loadRun('run-order'),
      report: await from.loadReport('run-report'),
      trace: await from.artifacts().trace((await from.loadRun('run-twice')).executions[0]?.execution.trace as string),
    })
    const before = await summary(store)
    expect(before.runs.find(({ id }) => id === 'run-order')).toMatchObject({ state: 'done', cells: 4, agents: 2 })
    await store.close()
    store = await open(folder)
    expect(await summary(store)).toEqual(before)
    await store.close()
    await removeIndex(folder)
    store = await open(folder)
    expect(await summary(store)).toEqual(before)
  }, 120_000)

  it('notices bytes that changed on disk', async () => {
    const bytes = Buffer.from('to be damaged')
    const digest = digestOf(bytes)
    await store.putObject(bytes, digest)
    const hex = digest.slice(7)
    const path = join(folder, 'objects', 'sha256', hex.slice(0, 2), hex.slice(2))
    expect(await readFile(path)).toEqual(bytes)
    await writeFile(path, 'to be damageD')
    await expect(store.getObject(digest)).rejects.toMatchObject({ code: 'digest-mismatch' })
  })

  it('leaves no half-written file behind', async () => {
    expect(await readdir(join(folder, 'incoming'))).toEqual([])
  })
}

async function removeIndex(folder: string): Promise<void> {
  await rm(join(folder, 'db'), { recursive: true })
}
