import type { CellRecord, ExecutionRecord } from '../shared/cell.ts'
import type { Digest } from '../shared/digest.ts'
import type { AgentRecord, JobInput } from '../shared/messages.ts'

export type { CellRecord, ExecutionRecord } from '../shared/cell.ts'

/** Whether the run is complete though an agent lacks a backend that the plan asks of it. */
export type Absence = 'allow' | 'forbid'

/** What a plan says that the executions of a row do: agree with themselves, or not. */
export type Expectation = 'repeatable' | 'nondeterministic'

/** What a plan says of all cells with one workload and parameters. */
export interface RowRule {
  readonly workload: string
  /** As the plan wrote them. */
  readonly params: Readonly<Record<string, unknown>>
  /** Goes before the run's. */
  readonly absent?: Absence
  readonly expect?: Expectation
}

export type RunState = 'running' | 'comparing' | 'done' | 'cancelled' | 'failed'

export interface RunRecord {
  readonly id: string
  readonly name: string
  readonly state: RunState
  readonly createdAt: string
  readonly endedAt?: string
  /** Why a run failed. */
  readonly failure?: string
  readonly planText: string
  readonly planDigest: Digest
  /** Warnings about the plan that a reader of the report must see. */
  readonly planNotes: readonly string[]
  /** Left out: `forbid`. */
  readonly absent?: 'allow'
  /** Of the rows of which the plan says something; `ruleOf` reads them. */
  readonly rowRules?: readonly RowRule[]
  readonly inputs: readonly JobInput[]
  /** The agents that took part, as they were when the run began, ordered by id. */
  readonly agents: readonly AgentRecord[]
}

/** All that is known of a run; comparison and report are pure functions of it and of the bytes behind its digests. */
export interface RunData {
  readonly run: RunRecord
  readonly cells: readonly CellRecord[]
  readonly executions: readonly ExecutionRecord[]
}

/** The bytes behind digests, or undefined where they were not kept. */
export interface Artifacts {
  /** @param digest of a tensor's bytes. */
  tensor(digest: Digest): Promise<Uint8Array | undefined>
  /** @param digest of a trace, bare hex. @returns its file form. */
  trace(digest: string): Promise<string | undefined>
}
