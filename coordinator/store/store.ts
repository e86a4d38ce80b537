import type { Digest } from '../../shared/digest.ts'
import type { Execution, Outcome } from '../../shared/execution.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import type { SignedResult } from '../../shared/signed-result.ts'
import type { Artifacts, CellRecord, ExecutionRecord, RunData, RunRecord, RunState } from '../records.ts'
import type { Report } from '../report/format.ts'
import type { JournalBody } from './journal-body.ts'
import type { JournalRecord } from './journal.ts'

/** A run as a list shows it. */
export interface RunSummary {
  readonly id: string
  readonly name: string
  readonly state: RunState
  readonly createdAt: string
  readonly endedAt?: string
  readonly cells: number
  readonly agents: number
}

/** Which runs, newest first. */
export interface RunQuery {
  /** Found in their name or id, whatever its case. */
  readonly text?: string
  /** Those with a cell on it. */
  readonly agent?: string
  readonly offset?: number
  readonly limit: number
}

export interface RunEnd {
  readonly endedAt: string
  /** Why it failed. */
  readonly failure?: string
}

/** What the index knows of an execution without opening its record. */
export interface ExecutionSummary {
  readonly cell: string
  readonly repetition: number
  readonly attempt: number
  readonly status: Outcome['status']
  /** Bare hex. */
  readonly trace?: string
}

/** A run as an earlier process left it. */
export interface RunUnderWay {
  readonly run: RunRecord
  readonly cells: readonly CellRecord[]
  /** What is on disk of it: all that was ever acknowledged. */
  readonly executions: readonly ExecutionSummary[]
  readonly cancelRequested: boolean
  /** How many processes have gone on with it, this one included. */
  readonly resumptions: number
}

/**
 * Where runs live. A resolved promise of anything that writes means: on disk, and found again after a crash. Bytes
 * are kept by their digest, which is recomputed whenever they are written and whenever they are read.
 */
export interface Store {
  readonly dir: string
  /**
   * Why nothing can be written now, for a person; undefined while it can. Whatever writes throws `unavailable` then, and
   * so may what reads; it goes on by itself once the disk takes writes again.
   */
  trouble(): string | undefined

  /**
   * Keeps bytes; keeping them twice is keeping them once.
   *
   * @throws `digest-mismatch` if they do not have the digest; `limit` if there are more than `limitBytes`
   */
  putObject(content: Uint8Array | AsyncIterable<Uint8Array>, expected: Digest, limitBytes?: number): Promise<void>
  /** @throws `digest-mismatch` if the file was damaged */
  getObject(digest: Digest): Promise<Uint8Array | undefined>
  hasObject(digest: Digest): Promise<boolean>
  /** Tensors and traces that are kept here. */
  artifacts(): Artifacts

  saveAgent(agent: AgentRecord): Promise<void>
  /** Every agent ever seen, as it was last, ordered by id. */
  listAgents(): Promise<AgentRecord[]>

  /**
   * @param by who asked for it, for the audit
   * @throws `conflict` if a run of this id exists
   */
  createRun(run: RunRecord, cells: readonly CellRecord[], by?: string): Promise<void>
  /**
   * @param traceText the trace in its file form, where the execution has one
   * @returns false if this repetition of the cell was recorded before, whatever the attempt: the first one stays
   */
  recordExecution(run: string, record: ExecutionRecord, traceText?: string, by?: string): Promise<boolean>
  /** That somebody wants a run to end early is known from now on, also after a crash. @throws `not-found` */
  requestCancel(run: string, by?: string): Promise<void>
  /** For a process that goes on with a run that another one left under way. @throws `not-found` */
  resumeRun(run: string): Promise<RunUnderWay>
  /** @throws `not-found` */
  setRunState(run: string, state: RunState, end?: RunEnd): Promise<void>
  /**
   * All of a run: cells by position, executions by cell and repetition, whatever order they arrived in.
   *
   * @throws `not-found`
   */
  loadRun(run: string): Promise<RunData>
  /** The run and its cells without opening any execution. @throws `not-found` */
  loadPlan(run: string): Promise<Omit<RunData, 'executions'>>
  listExecutions(run: string): Promise<ExecutionSummary[]>
  /** Newest first. */
  listRuns(): Promise<RunSummary[]>
  /** @returns those asked for, and how many there are in all */
  findRuns(query: RunQuery): Promise<{ readonly runs: RunSummary[]; readonly total: number }>

  saveReport(run: string, report: Report): Promise<void>
  /** Undefined while there is none. @throws `not-found` for no such run */
  loadReport(run: string): Promise<Report | undefined>

  /** States anything else that must not be forgotten; resolves, with the record, once it is on disk. */
  append(body: JournalBody): Promise<JournalRecord>
  /** Keeps a result that is part of no run, and why. */
  quarantine(agent: string, result: SignedResult, execution: Execution, reason: string): Promise<void>

  close(): Promise<void>
}
