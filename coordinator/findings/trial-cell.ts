import type { Knobs, KnobValue, RequestedCondition } from '../../shared/condition.ts'

/** What became of a knob that a condition asks for, by what the library reads back. */
export type KnobState =
  | { readonly state: 'in force' }
  | { readonly state: 'replaced'; readonly by: string }
  | { readonly state: 'unknown' }

/** A cell as the rules of settings see it. */
export interface TrialCell {
  readonly id: string
  readonly agent: string
  /** The workload's id and version. */
  readonly workload: string
  /** The workload and its parameters as one text. Seeds stand apart: trials of all seeds are judged together. */
  readonly row: string
  readonly seed: string
  readonly condition: RequestedCondition
  /** Of the backend, as it was read back; null if it was not. */
  readonly version: string | null
  /** What emulates the processor; empty if nothing does. */
  readonly emulator: string
  /** Values that the library reads back, by the knob's bare name; also of knobs that the condition leaves out. */
  readonly effective: Readonly<Record<string, string>>
  /** For each knob that the condition asks for. A knob without an entry is unknown. */
  readonly states: Readonly<Record<string, KnobState>>
  /** Of the executions that completed, in their order. */
  readonly traces: readonly string[]
}

/** The value of a setting in a cell. Cells with equal keys have one level, whatever was asked for. */
export interface Level {
  readonly key: string
  /** What the plan asks for; undefined if it leaves the setting out. */
  readonly asked: KnobValue | undefined
  /** The value in force; undefined if it is not read back. */
  readonly value: string | undefined
  readonly state: KnobState['state'] | 'left out'
}

/**
 * The level of a knob by its effective value: a replaced value counts as the one that replaced it, and a knob that is
 * left out as the value that the library reads back. What is not read back is a level of its own, told by what was asked.
 */
export function knobLevel({ condition, effective, states }: TrialCell, name: string): Level {
  const asked = ownValue(condition.knobs, name)
  const readBack = ownValue(effective, name)
  if (asked === undefined) return level('left out', asked, readBack)
  const state = ownValue(states, name) ?? { state: 'unknown' }
  switch (state.state) {
    case 'in force':
      return level(state.state, asked, readBack ?? String(asked))
    case 'replaced':
      return level(state.state, asked, state.by)
    case 'unknown':
      return level(state.state, asked, undefined)
  }
}

function level(state: Level['state'], asked: KnobValue | undefined, value: string | undefined): Level {
  // No two of these are alike: a value stands behind a sign that no state begins with.
  const key = value === undefined ? `${state}: ${typeof asked} ${asked}` : `=${value}`
  return { key, asked, value, state }
}

/** A level of something that cannot be replaced, such as the backend. */
export function plainLevel(asked: string, value = asked): Level {
  return level('in force', asked, value)
}

/** Knobs as a key of maps, without one of them. */
export function knobsKey(knobs: Knobs, without?: string): string {
  const entries = Object.entries(knobs).filter(([name]) => name !== without)
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Names such as `constructor` are knobs of nobody unless somebody sets them. */
export function ownValue<Value>(values: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}
