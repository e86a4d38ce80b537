import type { KnobValue } from '../../shared/condition.ts'

/** One level of a factor: the knobs it sets, by their plan names (`BACKEND.KNOB`). An empty level sets none. */
export type Level = Readonly<Record<string, KnobValue>>

/** What a plan varies: a name and the levels it takes. `backend` is kept apart, as every condition has one. */
export interface Factor {
  readonly name: string
  readonly levels: readonly Level[]
  /** Where it stands in the plan, `FILE:LINE`, for errors found later. */
  readonly at: string
}

export interface Factors {
  readonly backends: readonly string[]
  readonly others: readonly Factor[]
  readonly at: string
}

export interface Limits {
  readonly timeMs: number
  readonly memoryBytes: number
}

export interface PlannedWorkload {
  readonly id: string
  /** As the plan wrote it. */
  readonly params: Readonly<Record<string, unknown>>
  readonly factors: Factors
  /** Decimal. */
  readonly seeds: readonly string[]
  /** Undefined where the plan leaves it to the condition. */
  readonly repetitions: number | undefined
  readonly limits: Limits
  readonly at: string
}

/** A user's own array that a plan names: `{ file, digest }`. */
export interface PlannedInput {
  readonly file: string
  readonly digest: string
  readonly at: string
}

/** Workloads × factors × seeds × repetitions, aimed at agents by labels. */
export interface Plan {
  readonly name: string
  readonly text: string
  readonly agents: Readonly<Record<string, string>>
  readonly workloads: readonly PlannedWorkload[]
  readonly inputs: readonly PlannedInput[]
}
