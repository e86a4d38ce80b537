import type { KnobState, TrialCell } from '../../coordinator/findings/trial-cell.ts'
import type { Knobs } from '../../shared/condition.ts'

export interface CellSketch {
  readonly id?: string
  readonly agent?: string
  readonly workload?: string
  readonly row?: string
  readonly seed?: string
  readonly backend?: string
  readonly device?: string
  readonly knobs?: Knobs
  readonly version?: string | null
  readonly emulator?: string
  /** What the library reads back; left out, each knob as it was asked for. */
  readonly effective?: Readonly<Record<string, string>>
  /** Left out, every knob is in force. */
  readonly states?: Readonly<Record<string, KnobState>>
  readonly traces: readonly string[]
}

/** A cell of one agent, workload and seed under `js`, but for what the sketch says. */
export function trialCell(sketch: CellSketch): TrialCell {
  const { agent = 'a', row = 'sum', seed = '1', backend = 'js', device = 'cpu', knobs = {} } = sketch
  const { version = '1', emulator = '', traces } = sketch
  const asked = Object.entries(knobs)
  const {
    workload = row,
    effective = Object.fromEntries(asked.map(([name, value]) => [name, String(value)])),
    states = Object.fromEntries(asked.map(([name]) => [name, { state: 'in force' } as const])),
    id = JSON.stringify([agent, row, seed, backend, device, asked]),
  } = sketch
  return {
    id,
    agent,
    workload,
    row,
    seed,
    condition: { backend, device, knobs },
    version,
    emulator,
    effective,
    states,
    traces,
  }
}

/** k equal executions. */
export function times(executions: number, trace: string): string[] {
  return new Array<string>(executions).fill(trace)
}
