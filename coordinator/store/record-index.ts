import { and, desc, eq, sql } from 'drizzle-orm'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { RunState } from '../records.ts'
import type { Database } from './database.ts'
import type { JournalRecord } from './journal.ts'
import type { RecordKind, StoredRecord } from './records.ts'
import { agents, cells, executions, journal as marks, runs, traces } from './schema.ts'
import type { ExecutionSummary, RunSummary } from './store.ts'

/** Rows that a statement takes at once; PostgreSQL binds at most 65,535 values. */
const batch = 1000

/** Reads a record file; undefined where it is not there. @throws `digest-mismatch`, `format` */
export type ReadRecord = <Kind extends RecordKind>(
  digest: Digest,
  kind: Kind,
) => Promise<Extract<StoredRecord, { record: Kind }> | undefined>

/**
 * Enters a line of the journal into the index. The same for one just written and for one read back; entering one twice
 * changes nothing, but for resumptions, which are counted: use `enterRecords`.
 */
async function enterRecord(database: Database, entry: JournalRecord, read: ReadRecord): Promise<void> {
  switch (entry.kind) {
    case 'agent': {
      const row = { id: entry.agent, record: entry.record }
      await database.insert(agents).values(row).onConflictDoUpdate({ target: agents.id, set: row })
      return
    }
    case 'run': {
      const record = await read(entry.record, 'run@1')
      const plan = record && (await read(record.cells, 'cells@1'))
      if (!record || !plan) throw lostRecord(entry.record, `run ${entry.run}`)
      const { id, name, createdAt, state } = record.run
      await database
        .insert(runs)
        .values({
          ...{ id, name: JSON.stringify(name), createdAt, state, record: entry.record },
          ...{ cells: record.cellCount, agents: record.run.agents.length, cancelRequested: false, resumptions: 0 },
        })
        .onConflictDoNothing()
      for (let at = 0; at < plan.cells.length; at += batch) {
        const rows = plan.cells
          .slice(at, at + batch)
          .map((cell) => ({ ...cell, run: id, cell: cell.id }))
          .map(({ run, cell, position, agent, repetitions }) => ({ run, cell, position, agent, repetitions }))
        await database.insert(cells).values(rows).onConflictDoNothing()
      }
      return
    }
    case 'execution': {
      const found = await read(entry.record, 'execution@1')
      // Lost, it counts as never made; the repetition may be made again.
      if (!found) return
      const { execution } = found.execution
      if (execution.trace !== undefined && found.trace !== undefined) {
        await database.insert(traces).values({ trace: execution.trace, object: found.trace }).onConflictDoNothing()
      }
      const { run, cell, repetition, attempt, record } = entry
      await database
        .insert(executions)
        .values({
          ...{ run, cell, repetition, attempt, status: execution.outcome.status },
          ...{ trace: execution.trace ?? null, record },
        })
        .onConflictDoNothing()
      return
    }
    case 'run-state':
      await database
        .update(runs)
        .set({
          ...{ state: entry.state, endedAt: entry.endedAt ?? null },
          failure: entry.failure === undefined ? null : JSON.stringify(entry.failure),
        })
        .where(eq(runs.id, entry.run))
      return
    case 'cancel':
      await database.update(runs).set({ cancelRequested: true }).where(eq(runs.id, entry.run))
      return
    case 'resume':
      await database
        .update(runs)
        .set({ resumptions: sql`${runs.resumptions} + 1` })
        .where(eq(runs.id, entry.run))
      return
    case 'report':
      await database.update(runs).set({ report: entry.report }).where(eq(runs.id, entry.run))
      return
    default:
    // Who may do what is kept in memory, and what is for the audit alone nowhere else.
  }
}

/** How far the index is in the journal. */
export interface IndexMark {
  /** Of the next record to be entered. */
  readonly sequence: number
  /** SHA-256 of the last line entered; empty before the first. */
  readonly hash: string
}

export async function readMark(database: Database): Promise<IndexMark> {
  const [row] = await database.select({ sequence: marks.sequence, hash: marks.hash }).from(marks)
  return row ?? { sequence: 0, hash: '' }
}

/** Enters consecutive lines of the journal, all or none, and moves the mark past them. */
export async function enterRecords(
  database: Database,
  lines: readonly { readonly record: JournalRecord; readonly hash: string }[],
  read: ReadRecord,
): Promise<void> {
  const last = lines.at(-1)
  if (!last) return
  await database.transaction(async (transaction) => {
    for (const { record } of lines) await enterRecord(transaction, record, read)
    const mark = { sequence: last.record.sequence + 1, hash: last.hash }
    await transaction
      .insert(marks)
      .values({ only: 1, ...mark })
      .onConflictDoUpdate({ target: marks.only, set: mark })
  })
}

export function lostRecord(digest: Digest, what: string): BitfleetError {
  return new BitfleetError(
    'not-found',
    `the journal names ${digest} for ${what}, which is not in records/; restore the file from a copy`,
  )
}

export interface RunRow {
  readonly record: Digest
  readonly state: RunState
  readonly cancelRequested: boolean
  readonly resumptions: number
  readonly endedAt?: string
  readonly failure?: string
  readonly report?: Digest
}

export async function findRun(database: Database, id: string): Promise<RunRow | undefined> {
  const [row] = await database.select().from(runs).where(eq(runs.id, id))
  if (!row) return undefined
  return {
    ...{ record: row.record as Digest, state: row.state as RunState },
    ...{ cancelRequested: row.cancelRequested, resumptions: row.resumptions },
    ...(row.endedAt === null ? {} : { endedAt: row.endedAt }),
    ...(row.failure === null ? {} : { failure: JSON.parse(row.failure) as string }),
    ...(row.report === null ? {} : { report: row.report as Digest }),
  }
}

export async function summarizeRuns(database: Database): Promise<RunSummary[]> {
  const rows = await database.select().from(runs).orderBy(desc(runs.createdAt), desc(runs.id))
  return rows.map(({ id, name, state, createdAt, endedAt, cells: cellCount, agents: agentCount }) => ({
    ...{ id, name: JSON.parse(name) as string, state: state as RunState, createdAt },
    ...(endedAt === null ? {} : { endedAt }),
    ...{ cells: cellCount, agents: agentCount },
  }))
}

/** In the plan's order, then by repetition. */
export async function executionRows(
  database: Database,
  run: string,
): Promise<(ExecutionSummary & { record: Digest })[]> {
  const rows = await database
    .select({ execution: executions })
    .from(executions)
    .innerJoin(cells, and(eq(cells.run, executions.run), eq(cells.cell, executions.cell)))
    .where(eq(executions.run, run))
    // Digits and lower-case letters alone, compared as bytes: the same on every server whatever its locale.
    .orderBy(cells.position, sql`${cells.cell} collate "C"`, executions.repetition)
  return rows.map(({ execution: { cell, repetition, attempt, status, trace, record } }) => ({
    ...{ cell, repetition, attempt, status: status as ExecutionSummary['status'], record: record as Digest },
    ...(trace === null ? {} : { trace }),
  }))
}

export async function findExecution(database: Database, run: string, cell: string, repetition: number) {
  const [row] = await database
    .select({ record: executions.record })
    .from(executions)
    .where(and(eq(executions.run, run), eq(executions.cell, cell), eq(executions.repetition, repetition)))
  return row
}

export async function findTrace(database: Database, trace: string): Promise<Digest | undefined> {
  const [row] = await database.select({ object: traces.object }).from(traces).where(eq(traces.trace, trace))
  return row?.object as Digest | undefined
}

export async function agentRecords(database: Database): Promise<Digest[]> {
  const rows = await database.select({ record: agents.record }).from(agents).orderBy(sql`${agents.id} collate "C"`)
  return rows.map(({ record }) => record as Digest)
}
