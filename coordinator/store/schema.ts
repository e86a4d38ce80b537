import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'

// The index over the record files: what is searched and ordered by, and each record's digest. Every row can be made
// again from the files, where the records themselves stand.

export const agents = pgTable('agents', {
  id: text('id').primaryKey(),
  seenAt: text('seen_at').notNull(),
  record: text('record').notNull(),
})

export const runs = pgTable(
  'runs',
  {
    id: text('id').primaryKey(),
    /** As a JSON string: a text column takes no NUL, a person's YAML does. */
    name: text('name').notNull(),
    createdAt: text('created_at').notNull(),
    cells: integer('cells').notNull(),
    agents: integer('agents').notNull(),
    state: text('state').notNull(),
    /** Number of the last change of state; the run's creation is 0. */
    stateSequence: integer('state_sequence').notNull(),
    endedAt: text('ended_at'),
    /** As a JSON string. */
    failure: text('failure'),
    record: text('record').notNull(),
    /** Object digest of the report. */
    report: text('report'),
  },
  (table) => [index('runs_created_at').on(table.createdAt)],
)

export const cells = pgTable(
  'cells',
  {
    run: text('run').notNull(),
    cell: text('cell').notNull(),
    position: integer('position').notNull(),
    agent: text('agent').notNull(),
    repetitions: integer('repetitions').notNull(),
  },
  (table) => [primaryKey({ columns: [table.run, table.cell] })],
)

export const executions = pgTable(
  'executions',
  {
    run: text('run').notNull(),
    cell: text('cell').notNull(),
    repetition: integer('repetition').notNull(),
    attempt: integer('attempt').notNull(),
    status: text('status').notNull(),
    /** Digest of the trace, bare hex. */
    trace: text('trace'),
    record: text('record').notNull(),
  },
  (table) => [primaryKey({ columns: [table.run, table.cell, table.repetition] })],
)

export const traces = pgTable('traces', {
  /** Digest of the trace, bare hex. */
  trace: text('trace').primaryKey(),
  /** Digest of its file form. */
  object: text('object').notNull(),
})
