import { chmod, mkdir, rm, stat } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { makeFolder, syncFolder } from '../../shared/folder.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import type { CellRecord, ExecutionRecord, RunRecord } from '../records.ts'
import type { Report } from '../report/format.ts'
import { parseReport } from '../report/read-report.ts'
import { type ContentFiles, createContentFiles } from './content-files.ts'
import { createIndexWriter, openIndex } from './index-writer.ts'
import { journalFormat, type JournalBody } from './journal-body.ts'
import { openJournal, type JournalRecord } from './journal.ts'
import {
  agentRecords,
  executionRows,
  findExecution,
  findRun,
  findTrace,
  lostRecord,
  type ReadRecord,
  searchRuns,
  summarizeRuns,
} from './record-index.ts'
import { formatRecord, parseRecord, type RecordKind, type StoredRecord } from './records.ts'
import { createRoom, type Room, type RoomOptions } from './room.ts'
import type { Store } from './store.ts'

/** How many record files are read at a time. */
const readers = 32

export interface StoreOptions {
  /** Sees every line of the journal at opening, in order: for what is kept in memory alone. */
  readonly visit?: (record: JournalRecord) => void
  readonly log?: (message: string) => void
  /** How much of its disk is left free, and how that is seen. */
  readonly room?: Pick<RoomOptions, 'freeBytes' | 'reserveBytes' | 'retryMs'>
}

/** Where a store keeps its journal. */
export function journalPath(dir: string): string {
  return join(dir, 'journal', 'journal.jsonl')
}

/**
 * Opens the store in a folder, made if need be, for this process alone. `journal/`, `records/` and `objects/` are the
 * truth; `db/` is an index, brought up to the journal at opening and made again from it where it is missing.
 *
 * @throws `conflict` if another process has it open; `system` where the folder cannot be made; `format` where the
 * journal is broken
 */
export async function openStore(dir: string, options: StoreOptions = {}): Promise<Store> {
  await makeFolder(dir, 0o700, 'choose another for the store with --store')
  await syncFolder(dirname(dir))
  // The database in it has no lock of its own between processes.
  const unlock = await takeLock(dir, 'stop that coordinator, or choose another folder with --store')
  try {
    return await openLocked(dir, unlock, options)
  } catch (error) {
    await unlock()
    throw error
  }
}

async function openLocked(
  dir: string,
  unlock: () => Promise<void>,
  { visit = () => {}, log = () => {}, room: roomOptions }: StoreOptions,
): Promise<Store> {
  await chmod(dir, 0o700)
  await refuseWithoutJournal(dir)
  const scratch = join(dir, 'incoming')
  // What a crash left half written belongs to nobody.
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { mode: 0o700 })
  await mkdir(dirname(journalPath(dir)), { recursive: true, mode: 0o700 })
  await syncFolder(dir)
  const room = createRoom(dir, scratch, { ...roomOptions, log, recover: () => writer.settle() })
  const objects = withRoom(createContentFiles(join(dir, 'objects'), scratch), room)
  const records = withRoom(createContentFiles(join(dir, 'records'), scratch), room)
  const readIfThere: ReadRecord = async <Kind extends RecordKind>(digest: Digest, kind: Kind) => {
    const bytes = await records.get(digest)
    if (!bytes) return undefined
    const record = parseRecord(bytes)
    if (record.record === kind) return record as Extract<StoredRecord, { record: Kind }>
    throw new BitfleetError('format', `${records.pathOf(digest)} holds ${record.record}, and the journal says ${kind}`)
  }
  const read = async <Kind extends RecordKind>(digest: Digest, kind: Kind) => {
    const record = await readIfThere(digest, kind)
    if (record) return record
    throw lostRecord(digest, kind)
  }

  const index = await openIndex(join(dir, 'db'), log)
  const writer = await createIndexWriter(index.database, readIfThere, () => room.checkForIndex())
  /** The index with all that was written so far. @throws why it lacks some of it */
  const upToDate = async () => {
    await writer.settle()
    return index.database
  }
  const journal = await openJournal(journalPath(dir), async (line) => {
    visit(line.record)
    await writer.catchUp(line)
  }).catch(async (error: unknown) => {
    await index.close()
    throw error
  })
  const closeFiles = async () => {
    room.close()
    await journal.close()
    await index.close()
  }
  if (journal.tornFile)
    log(`the last record of the journal was cut short by a crash; it was moved to ${journal.tornFile}`)

  /** What was written a moment ago needs no reading. */
  const append = async (
    body: JournalBody,
    fresh: ReadonlyMap<Digest, StoredRecord> = new Map(),
  ): Promise<JournalRecord> => {
    await room.check()
    const line = await journal.append(body).catch((error: unknown) => {
      room.noteFailure(error)
      throw error
    })
    // On disk, it has happened, whether the index takes it now or later; reads wait for it.
    await writer.enter(line, fresh).catch((error: unknown) => {
      room.noteFailure(error)
      log(`the index lacks records of the journal for now: ${messageOf(error)}`)
    })
    return line.record
  }
  const keep = async (record: StoredRecord): Promise<Digest> => {
    const text = formatRecord(record)
    const digest = digestOf(text)
    await records.put(Buffer.from(text), digest)
    return digest
  }
  const runOf = async (id: string) => {
    const row = await findRun(await upToDate(), id)
    if (!row) throw new BitfleetError('not-found', `there is no run "${id}"`)
    return row
  }
  /** Agents as last seen, so that a reconnection that changes nothing writes nothing. */
  const agents = new Map<string, AgentRecord>()
  try {
    await writer.finish(journal.start)
    if (journal.start.sequence === 0) {
      await append({ kind: 'journal', format: journalFormat, id: randomUUID() })
    }
    for (const digest of await agentRecords(index.database)) {
      const { agent } = await read(digest, 'agent@1')
      agents.set(agent.id, agent)
    }
  } catch (error) {
    await closeFiles()
    throw error
  }
  /** Repetitions being recorded; whoever comes second with one is too late. */
  const recording = new Set<string>()

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
    trouble: () => room.trouble(),
    putObject: (content, expected, limitBytes) => objects.put(content, expected, limitBytes),
    getObject: (digest) => objects.get(digest),
    hasObject: (digest) => objects.has(digest),
    artifacts: () => ({
      tensor: (digest) => objects.get(digest),
      async trace(trace) {
        const digest = await findTrace(await upToDate(), trace)
        const bytes = digest && (await objects.get(digest))
        return bytes && new TextDecoder().decode(bytes)
      },
    }),

    async saveAgent(agent) {
      const known = agents.get(agent.id)
      if (known && canonicalJson(known) === canonicalJson(agent)) return
      const record: StoredRecord = { record: 'agent@1', agent }
      const digest = await keep(record)
      await append({ kind: 'agent', by: `agent:${agent.id}`, agent: agent.id, record: digest })
      // In the order that a later process reads it in, so that no answer depends on who gives it.
      agents.set(agent.id, JSON.parse(canonicalJson(agent)) as AgentRecord)
    },
    async listAgents() {
      return [...agents.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    },

    async createRun(run, cells, by = 'coordinator') {
      if (await findRun(await upToDate(), run.id))
        throw new BitfleetError('conflict', `there is a run "${run.id}" already`)
      const plan: StoredRecord = { record: 'cells@1', run: run.id, cells }
      const planDigest = await keep(plan)
      const record: StoredRecord = { record: 'run@1', run, cells: planDigest, cellCount: cells.length }
      const digest = await keep(record)
      const fresh = new Map<Digest, StoredRecord>([
        [planDigest, plan],
        [digest, record],
      ])
      await append({ kind: 'run', by, run: run.id, record: digest }, fresh)
    },
    async recordExecution(run, execution, traceText, by = 'coordinator') {
      const { cell, repetition, attempt } = execution
      const key = JSON.stringify([run, cell, repetition])
      if (recording.has(key)) return false
      recording.add(key)
      try {
        if (await findExecution(await upToDate(), run, cell, repetition)) return false
        let record: StoredRecord = { record: 'execution@1', run, execution }
        if (traceText !== undefined) {
          const bytes = Buffer.from(traceText)
          record = { ...record, trace: digestOf(bytes) }
          await objects.put(bytes, record.trace as Digest)
        }
        const digest = await keep(record)
        const body: JournalBody = { kind: 'execution', by, run, cell, repetition, attempt, record: digest }
        await append(body, new Map([[digest, record]]))
        return true
      } finally {
        recording.delete(key)
      }
    },
    async requestCancel(run, by = 'coordinator') {
      await runOf(run)
      await append({ kind: 'cancel', by, run })
    },
    async resumeRun(run) {
      await runOf(run)
      await append({ kind: 'resume', by: 'coordinator', run })
      const { cancelRequested, resumptions } = await runOf(run)
      return {
        ...(await loadPlan(run)),
        executions: await executionRows(await upToDate(), run),
        cancelRequested,
        resumptions,
      }
    },
    async setRunState(run, state, end) {
      await runOf(run)
      await append({ kind: 'run-state', by: 'coordinator', run, state, ...end })
    },
    loadPlan,
    async loadRun(id) {
      const plan = await loadPlan(id)
      const rows = await executionRows(await upToDate(), id)
      const executions: ExecutionRecord[] = []
      for (let at = 0; at < rows.length; at += readers) {
        const some = rows.slice(at, at + readers).map(({ record }) => read(record, 'execution@1'))
        for (const { execution } of await Promise.all(some)) executions.push(execution)
      }
      return { ...plan, executions }
    },
    async listExecutions(run) {
      await runOf(run)
      return executionRows(await upToDate(), run)
    },
    listRuns: async () => summarizeRuns(await upToDate()),
    findRuns: async (query) => searchRuns(await upToDate(), query),

    async saveReport(run, report) {
      await runOf(run)
      const bytes = Buffer.from(canonicalJson(report))
      const digest = digestOf(bytes)
      await objects.put(bytes, digest)
      await append({ kind: 'report', by: 'coordinator', run, report: digest })
    },
    async loadReport(run): Promise<Report | undefined> {
      const { report } = await runOf(run)
      const bytes = report && (await objects.get(report))
      return bytes && parseReport(JSON.parse(new TextDecoder().decode(bytes)))
    },

    append: (entry) => append(entry),
    async quarantine(agent, result, execution, reason) {
      const record = await keep({ record: 'quarantined@1', agent, result, execution })
      const { job, attempt } = result.statement
      await append({ kind: 'result-quarantined', by: `agent:${agent}`, agent, job, attempt, reason, record })
    },
    async close() {
      await closeFiles()
      await unlock()
    },
  }
}

/** Content files that are written only while there is room. */
function withRoom(files: ContentFiles, room: Room): ContentFiles {
  return {
    ...files,
    async put(content, expected, limitBytes) {
      await room.check()
      await files.put(content, expected, limitBytes).catch((error: unknown) => {
        room.noteFailure(error)
        throw error
      })
    },
  }
}

/** A store whose journal is lost must not pass for an empty one. */
async function refuseWithoutJournal(dir: string): Promise<void> {
  const there = (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    )
  if ((await there(journalPath(dir))) || !(await there(join(dir, 'records')))) return
  throw new BitfleetError(
    'format',
    `${dir} has records and no journal: restore ${journalPath(dir)} from a copy; a store of Bitfleet 0.1.0 has none, choose another folder`,
  )
}
