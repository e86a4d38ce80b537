import { count, desc, eq, lte, and, sql } from 'drizzle-orm'
import type { Digest } from '../../shared/digest.ts'
import type { RunState } from '../records.ts'
import type { Database } from './database.ts'
import type { StoredRecord } from './records.ts'
import { agents, cells, executions, runs, traces } from './schema.ts'
import type { ExecutionSummary, RunSummary } from './store.ts'

/** Rows that a statement takes at once; PostgreSQL binds at most 65,535 values. */
const batch = 1000

/**
 * Enters a record into the index. The same for a record just written and for one read back from its file; entering
 * one twice changes nothing.
 */
export async function indexRecord(database: Database, record: StoredRecord, digest: Digest): Promise<void> {
  switch (record.record) {
    case 'agent@1': {
      const row = { id: record.agent.id, seenAt: record.seenAt, record: digest }
      await database
        .insert(agents)
        .values(row)
        .onConflictDoUpdate({ target: agents.id, set: row, setWhere: lte(agents.seenAt, record.seenAt) })
      return
    }
    case 'cells@1':
      for (let at = 0; at < record.cells.length; at += batch) {
        const rows = record.cells
          .slice(at, at + batch)
          .map(({ id, position, agent, repetitions }) => ({ run: record.run, cell: id, position, agent, repetitions }))
        await database.insert(cells).values(rows).onConflictDoNothing()
      }
      return
    case 'run@1': {
      const { id, name, createdAt, state } = record.run
      await database
        .insert(runs)
        .values({
          ...{ id, name: JSON.stringify(name), createdAt, state, stateSequence: 0, record: digest },
          ...{ cells: record.cellCount, agents: record.run.agents.length },
        })
        .onConflictDoNothing()
      return
    }
    case 'execution@1': {
      const { cell, repetition, attempt, execution } = record.execution
      if (execution.trace !== undefined && record.trace !== undefined) {
        await database.insert(traces).values({ trace: execution.trace, object: record.trace }).onConflictDoNothing()
      }
      await database
        .insert(executions)
        .values({
          ...{ run: record.run, cell, repetition, attempt, status: execution.outcome.status },
          ...{ trace: execution.trace ?? null, record: digest },
        })
        .onConflictDoNothing()
      return
    }
    case 'run-state@1':
      await database
        .update(runs)
        .set({
          ...{ state: record.state, stateSequence: record.sequence, endedAt: record.endedAt ?? null },
          failure: record.failure === undefined ? null : JSON.stringify(record.failure),
        })
        .where(and(eq(runs.id, record.run), lte(runs.stateSequence, record.sequence)))
      return
    case 'report@1':
      await database.update(runs).set({ report: record.report }).where(eq(runs.id, record.run))
  }
}

export async function isEmpty(database: Database): Promise<boolean> {
  const [found] = await database.select({ n: count() }).from(agents)
  const [run] = await database.select({ n: count() }).from(runs)
  return found?.n === 0 && run?.n === 0
}

export interface RunRow {
  readonly record: Digest
  readonly state: RunState
  readonly stateSequence: number
  readonly endedAt?: string
  readonly failure?: string
  readonly report?: Digest
}

export async function findRun(database: Database, id: string): Promise<RunRow | undefined> {
  const [row] = await database.select().from(runs).where(eq(runs.id, id))
  if (!row) return undefined
  return {
    ...{ record: row.record as Digest, state: row.state as RunState, stateSequence: row.stateSequence },
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
