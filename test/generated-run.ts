import fc from 'fast-check'
import type { RunState } from '../coordinator/records.ts'
import { createSyntheticRun, f32, type SyntheticExecution, type SyntheticRun, syntheticAgent } from './synthetic-run.ts'

/** What becomes of one cell of a generated run. */
export type GeneratedCell =
  | { readonly kind: 'equal'; readonly value: number }
  | { readonly kind: 'unstable'; readonly values: readonly [number, number] }
  | { readonly kind: 'crashed' | 'missing' | 'inapplicable' | 'absent' | 'partly' | 'mixed'; readonly value: number }

export interface GeneratedRun {
  readonly agents: number
  readonly workloads: number
  readonly seeds: number
  /** Knob values under backend `js`; 0 leaves the knob out. */
  readonly orders: readonly number[]
  readonly repetitions: number
  /** What the library reads back of the knob: the value, another one, or nothing. */
  readonly readBack: 'echo' | 'replaced' | 'nothing'
  readonly cells: readonly GeneratedCell[]
  readonly state: RunState
  readonly absent: boolean
  readonly expect: 'nondeterministic' | 'repeatable' | undefined
}

const value = fc.integer({ min: 1, max: 3 })
const kind = fc.constantFrom<GeneratedCell['kind']>('crashed', 'missing', 'inapplicable', 'absent', 'partly', 'mixed')
const cell: fc.Arbitrary<GeneratedCell> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('equal' as const), value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unstable' as const), values: fc.tuple(value, value) }) },
  { weight: 3, arbitrary: fc.record({ kind, value }) as fc.Arbitrary<GeneratedCell> },
)

export const generatedRun: fc.Arbitrary<GeneratedRun> = fc.record({
  // With twelve, one notice may be of more cells than a report names.
  agents: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 4 }) }, { weight: 1, arbitrary: fc.constant(12) }),
  workloads: fc.integer({ min: 1, max: 3 }),
  seeds: fc.integer({ min: 1, max: 2 }),
  orders: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }),
  repetitions: fc.integer({ min: 1, max: 6 }),
  readBack: fc.constantFrom('echo', 'replaced', 'nothing'),
  cells: fc.array(cell, { minLength: 1, maxLength: 40 }),
  state: fc.constantFrom<RunState>('done', 'done', 'done', 'cancelled'),
  absent: fc.boolean(),
  expect: fc.constantFrom(undefined, undefined, 'nondeterministic', 'repeatable'),
})

/** A run of which the plan expects that it differs from run to run: many cells do, and others are lucky. */
export const expectedRun: fc.Arbitrary<GeneratedRun> = fc
  .tuple(generatedRun, fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 12 }))
  .map(([plan, pairs]) => ({
    ...{ ...plan, workloads: 1, state: 'done', expect: 'nondeterministic' },
    cells: pairs.map((values): GeneratedCell => ({ kind: 'unstable', values })),
  }))

/** Makes it a run with traces and bytes; the cells repeat over the plan as often as needed. */
export function makeRun(plan: GeneratedRun): SyntheticRun {
  const agents = Array.from({ length: plan.agents }, (_, i) => syntheticAgent(`k${20 - i}`, {}, `node${i}`))
  const run = createSyntheticRun(agents, {
    state: plan.state,
    ...(plan.absent ? { absent: 'allow' } : {}),
    ...(plan.expect ? { rowRules: [{ workload: 'w0', params: {}, expect: plan.expect }] } : {}),
  })
  let next = 0
  for (let w = 0; w < plan.workloads; w++) {
    for (let seed = 0; seed < plan.seeds; seed++) {
      for (const order of plan.orders) {
        for (const { id } of agents) {
          const made = plan.cells[next++ % plan.cells.length] as GeneratedCell
          const effective = plan.readBack === 'echo' ? order : 1
          run.add({
            agent: id,
            workload: `w${w}`,
            seed: String(seed),
            backend: made.kind === 'absent' ? 'blis' : 'js',
            knobs: order === 0 ? {} : { order },
            effective: plan.readBack === 'nothing' ? {} : { order: String(effective) },
            executions: executionsOf(made, plan.repetitions),
          })
        }
      }
    }
  }
  return run
}

function executionsOf(cell: GeneratedCell, repetitions: number): (SyntheticExecution | null)[] {
  const completed = (result: number): SyntheticExecution => ({
    checkpoints: [
      { step: 0, name: 'x', tensor: f32([1, 2]) },
      { step: 1, name: 'y', tensor: f32([result], []), output: true },
    ],
  })
  const crashed: SyntheticExecution = { outcome: { status: 'crashed', signal: 'SIGILL', stderr: '' } }
  const lacking: SyntheticExecution = { outcome: { status: 'unsupported', reason: 'no such kernel' } }
  return Array.from({ length: repetitions }, (_, i) => {
    switch (cell.kind) {
      case 'equal':
        return completed(cell.value)
      case 'unstable':
        return completed(cell.values[i % 2] as number)
      case 'partly':
        return i === 0 ? completed(cell.value) : crashed
      case 'mixed':
        return i === 0 ? completed(cell.value) : lacking
      case 'crashed':
        return crashed
      case 'missing':
        return null
      default:
        return lacking
    }
  })
}
