import { chmod, mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { makeFolder } from '../../shared/folder.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import type { CellRecord, ExecutionRecord, RunRecord } from '../records.ts'
import { type Report, reportSchema } from '../report/format.ts'
import { createContentFiles, syncFolder } from './content-files.ts'
import { type Database, openDatabase } from './database.ts'
import {
  agentRecords,
  executionRows,
  findExecution,
  findRun,
  findTrace,
  indexRecord,
  isEmpty,
  summarizeRuns,
} from './record-index.ts'
import { formatRecord, parseRecord, type RecordKind, recordKinds, type StoredRecord } from './records.ts'
import type { Store } from './store.ts'

/** How many record files are read at a time. */
const readers = 32

/**
 * Opens the store in a folder, made if need be, for this process alone. `objects/` and `records/` are the truth; `db/`
 * is an index, and made again from the records where it is missing.
 *
 * @throws `conflict` if another process has it open; `system` where the folder cannot be made
 */
export async function openStore(dir: string): Promise<Store> {
  await makeFolder(dir, 0o700, 'choose another for the store with --store')
  // The database in it has no lock of its own between processes.
  const unlock = await takeLock(dir, 'stop that coordinator, or choose another folder with --store')
  try {
    return await openLocked(dir, unlock)
  } catch (error) {
    await unlock()
    throw error
  }
}

async function openLocked(dir: string, unlock: () => Promise<void>): Promise<Store> {
  await chmod(dir, 0o700)
  const scratch = join(dir, 'incoming')
  // What a crash left half written belongs to nobody.
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { mode: 0o700 })
  await syncFolder(dir)
  const objects = createContentFiles(join(dir, 'objects'), scratch)
  const records = createContentFiles(join(dir, 'records'), scratch)
  const index = await openDatabase(join(dir, 'db'))
  const { database } = index
  const hasRecords = await stat(join(dir, 'records')).then(
    () => true,
    () => false,
  )
  if (hasRecords && (await isEmpty(database))) await rebuildIndex(database, records)

  const write = async (record: StoredRecord): Promise<void> => {
    const text = formatRecord(record)
    const digest = digestOf(text)
    await records.put(Buffer.from(text), digest)
    await indexRecord(database, record, digest)
  }
  const read = async <Kind extends RecordKind>(digest: Digest, kind: Kind) => {
    const bytes = await records.get(digest)
    const record = bytes && parseRecord(bytes)
    if (record?.record === kind) return record as Extract<StoredRecord, { record: Kind }>
    throw new BitfleetError(
      'not-found',
      `${dir}: the index names ${kind} ${digest}, which is not there; restore the file`,
    )
  }
  const runOf = async (id: string) => {
    const row = await findRun(database, id)
    if (!row) throw new BitfleetError('not-found', `there is no run "${id}"`)
    return row
  }
  /** Agents as last seen, so that a reconnection that changes nothing writes nothing. */
  const agents = new Map<string, AgentRecord>()
  for (const digest of await agentRecords(database)) {
    const { agent } = await read(digest, 'agent@1')
    agents.set(agent.id, agent)
  }
  /** Repetitions being recorded; whoever comes second with one is too late. */
  const recording = new Set<string>()
  /** Changes of one run's state wait for each other. */
  const stateChanges = new Map<string, Promise<void>>()

  const loadPlan = async (id: string): Promise<{ run: RunRecord; cells: CellRecord[] }> => {
    const { record, state, endedAt, failure } = await runOf(id)
    const { run, cells } = await read(record, 'run@1')
    return {
      run: {
        ...{ ...run, state },
        ...(endedAt === undefined ? {} : { endedAt }),
        ...(failure === undefined ? {} : { failure }),
      },
      cells: [...(await read(cells, 'cells@1')).cells].sort(
        (a, b) => a.position - b.position || (a.id < b.id ? -1 : 1),
      ),
    }
  }

  return {
    dir,
    putObject: (content, expected, limitBytes) => objects.put(content, expected, limitBytes),
    getObject: (digest) => objects.get(digest),
    hasObject: (digest) => objects.has(digest),
    artifacts: () => ({
      tensor: (digest) => objects.get(digest),
      async trace(trace) {
        const digest = await findTrace(database, trace)
        const bytes = digest && (await objects.get(digest))
        return bytes && new TextDecoder().decode(bytes)
      },
    }),

    async saveAgent(agent) {
      const known = agents.get(agent.id)
      if (known && canonicalJson(known) === canonicalJson(agent)) return
      await write({ record: 'agent@1', seenAt: new Date().toISOString(), agent })
      agents.set(agent.id, agent)
    },
    async listAgents() {
      return [...agents.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    },

    async createRun(run, cells) {
      if (await findRun(database, run.id)) throw new BitfleetError('conflict', `there is a run "${run.id}" already`)
      const cellsRecord: StoredRecord = { record: 'cells@1', run: run.id, cells }
      await write(cellsRecord)
      const digest = digestOf(formatRecord(cellsRecord))
      await write({ record: 'run@1', run, cells: digest, cellCount: cells.length })
    },
    async recordExecution(run, execution, traceText) {
      const { cell, repetition } = execution
      const key = JSON.stringify([run, cell, repetition])
      if (recording.has(key)) return false
      recording.add(key)
      try {
        if (await findExecution(database, run, cell, repetition)) return false
        if (traceText === undefined) {
          await write({ record: 'execution@1', run, execution })
        } else {
          const bytes = Buffer.from(traceText)
          const trace = digestOf(bytes)
          await objects.put(bytes, trace)
          await write({ record: 'execution@1', run, execution, trace })
        }
        return true
      } finally {
        recording.delete(key)
      }
    },
    async setRunState(run, state, end) {
      const change = (stateChanges.get(run) ?? Promise.resolve()).then(async () => {
        const { stateSequence } = await runOf(run)
        await write({ record: 'run-state@1', run, sequence: stateSequence + 1, state, ...end })
      })
      const settled = change.catch(() => {})
      stateChanges.set(run, settled)
      await change.finally(() => {
        if (stateChanges.get(run) === settled) stateChanges.delete(run)
      })
    },
    loadPlan,
    async loadRun(id) {
      const plan = await loadPlan(id)
      const rows = await executionRows(database, id)
      const executions: ExecutionRecord[] = []
      for (let at = 0; at < rows.length; at += readers) {
        const some = rows.slice(at, at + readers).map(({ record }) => read(record, 'execution@1'))
        for (const { execution } of await Promise.all(some)) executions.push(execution)
      }
      return { ...plan, executions }
    },
    async listExecutions(run) {
      await runOf(run)
      return executionRows(database, run)
    },
    listRuns: () => summarizeRuns(database),

    async saveReport(run, report) {
      await runOf(run)
      const bytes = Buffer.from(canonicalJson(report))
      const digest = digestOf(bytes)
      await objects.put(bytes, digest)
      await write({ record: 'report@1', run, report: digest })
    },
    async loadReport(run): Promise<Report | undefined> {
      const { report } = await runOf(run)
      const bytes = report && (await objects.get(report))
      return bytes && reportSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))
    },

    async close() {
      await index.close()
      await unlock()
    },
  }
}

/** A pass for each kind, as later kinds refer to earlier ones. All of it or nothing, so that a crash leaves no half. */
async function rebuildIndex(database: Database, records: ReturnType<typeof createContentFiles>): Promise<void> {
  const found = new Map<RecordKind, Digest[]>(recordKinds.map((kind) => [kind, []]))
  for await (const digest of records.list()) {
    const bytes = await records.get(digest)
    if (bytes) found.get(parseRecord(bytes).record)?.push(digest)
  }
  await database.transaction(async (transaction) => {
    for (const digests of found.values()) {
      for (const digest of digests) {
        const bytes = await records.get(digest)
        if (bytes) await indexRecord(transaction, parseRecord(bytes), digest)
      }
    }
  })
}
