import { boolean, index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'

// The index over journal and record files: what is searched and ordered by, and each record's digest. Every row can be
// made again from the files, where the records themselves stand.

/** One row: how far of the journal is in the other tables, changed together with them. */
export const journal = pgTable('journal', {
  only: integer('only').primaryKey(),
  /** Of the next record to be entered. */
  sequence: integer('sequence').notNull(),
  /** SHA-256 of the last line entered, bare hex. */
  hash: text('hash').notNull(),
})

export const agents = pgTable('agents', {
  id: text('id').primaryKey(),
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
    cancelRequested: boolean('cancel_requested').notNull(),
    /** How many processes went on with the run after the one that began it. */
    resumptions: integer('resumptions').notNull(),
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
  (table) => [primaryKey({ columns: [table.run, table.cell] }), index('cells_agent').on(table.agent, table.run)],
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
