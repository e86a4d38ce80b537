import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Knobs, KnobValue } from '../../shared/condition.ts'
import type { DType } from '../../shared/tensor.ts'
import type { Absence, Expectation } from '../records.ts'

/** One level of a factor: the knobs it sets, by their plan names (`BACKEND.KNOB`). An empty level sets none. */
export type Level = Readonly<Record<string, KnobValue>>

/**
 * The first of each knobs that have equal names and texts: a backend is given the text, and a report shows it, so that
 * `1` and `"1"` are one level.
 */
export function distinctKnobs(levels: readonly Knobs[]): Knobs[] {
  const byText = new Map<string, Knobs>()
  for (const level of levels) {
    const key = canonicalJson(Object.fromEntries(Object.entries(level).map(([name, value]) => [name, String(value)])))
    if (!byText.has(key)) byText.set(key, level)
  }
  return [...byText.values()]
}

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
  /** Undefined if the plan leaves it out: then its trials say how many it takes. */
  readonly repetitions: number | undefined
  readonly limits: Limits
  /** Undefined if the entry says nothing: then the plan's own `absent` applies. */
  readonly absent: Absence | undefined
  readonly expect: Expectation | undefined
  readonly at: string
}

/** A user's own array that a plan names: `{ file, digest }`, perhaps with `dtype` and `shape`. */
export interface PlannedInput {
  readonly file: string
  readonly digest: string
  readonly dtype?: DType | undefined
  readonly shape?: readonly number[] | undefined
  readonly at: string
}

/** Workloads × factors × seeds × repetitions, aimed at agents by labels. */
export interface Plan {
  readonly name: string
  readonly text: string
  readonly agents: Readonly<Record<string, string>>
  /** Whether a backend may be absent from an agent, for all workloads that say nothing else. */
  readonly absent: Absence
  readonly workloads: readonly PlannedWorkload[]
  readonly inputs: readonly PlannedInput[]
}
