import { findSilence } from '../../coordinator/findings/silence.ts'
import type { TrialCell } from '../../coordinator/findings/trial-cell.ts'
import { judgeSettings } from '../../coordinator/findings/trials.ts'
import { createStream, type Stream } from '../../shared/random/stream.ts'
import { trialCell } from './trial-cells.ts'

// A program whose result follows the time of day, under a setting `dummy` that does nothing: one plan of eight seeds,
// two modes (the time; a fair coin) and two dummies, on one agent, one execution after another.

/** What the time of an execution makes of its result; `round` and `execution` are durations. */
export const clocks = {
  'new value every 20 s': (time: number) => String(Math.floor(time / 20)),
  'turns with every half round': (time: number, round: number) => String(Math.floor((2 * time) / round) % 2),
  'turns with every execution': (time: number, _round: number, execution: number) =>
    String(Math.floor(time / execution) % 2),
} as const
export type Clock = keyof typeof clocks

/** In which order the executions of all cells run; the plan's order is by seed, mode and dummy. */
export const schedules = {
  'permuted rounds': (cells: number, repetitions: number, stream: Stream) =>
    Array.from({ length: repetitions }, () => [...stream.permutation(cells)]).flat(),
  'rounds in one order': (cells: number, repetitions: number) =>
    Array.from({ length: repetitions * cells }, (_, i) => i % cells),
  'cell after cell': (cells: number, repetitions: number) =>
    Array.from({ length: repetitions * cells }, (_, i) => Math.floor(i / repetitions)),
} as const
export type Schedule = keyof typeof schedules

export interface ClockDesign {
  readonly clock: Clock
  readonly schedule: Schedule
  /** Seconds that an execution takes. */
  readonly execution: number
  readonly repetitions: number
}

interface PlannedCell {
  readonly mode: 'clock' | 'p50'
  readonly dummy: number
  readonly seed: string
}

const plan: readonly PlannedCell[] = ['1', '2', '3', '4', '5', '6', '7', '8'].flatMap((seed) =>
  (['clock', 'p50'] as const).flatMap((mode) => [1, 2].map((dummy) => ({ mode, dummy, seed }))),
)

/** How often the dummy is named from so many random starts: claimed, or at least seen. */
export function namedDummies(design: ClockDesign, starts: number): { claimed: number; seen: number } {
  let [claimed, seen] = [0, 0]
  for (let start = 0; start < starts; start++) {
    const cells = runPlan(plan, design, createStream(String(start), 'clock'))
    // Two settings, one workload.
    const result = judgeSettings(cells, findSilence(cells), 2).find(({ setting }) => setting === 'coin.dummy')
    if (result?.bits !== 'followed') continue
    if (result.strength === 'claimed') claimed++
    else seen++
  }
  return { claimed, seen }
}

function runPlan(cells: readonly PlannedCell[], design: ClockDesign, stream: Stream): TrialCell[] {
  const { clock, schedule, execution, repetitions } = design
  const round = cells.length * execution
  const start = fraction(stream) * Math.max(40, 2 * round)
  const traces = cells.map((): string[] => [])
  for (const [i, cell] of schedules[schedule](cells.length, repetitions, stream).entries()) {
    const time = start + (i + 0.5) * execution
    const result = cells[cell]?.mode === 'clock' ? clocks[clock](time, round, execution) : String(stream.below(2))
    traces[cell]?.push(result)
  }
  return cells.map(({ mode, dummy, seed }, i) =>
    trialCell({ row: 'coin', seed, backend: 'coin', knobs: { mode, dummy }, traces: traces[i] ?? [] }),
  )
}

function fraction(stream: Stream): number {
  return stream.u32() / 2 ** 32
}

/**
 * One trial of a dummy with two levels among N cells of an agent, in permuted rounds, with a result that is one thing in
 * the first half of each round and another in the second: how often it is claimed.
 */
export function claimedInPhase(cells: number, repetitions: number, runs: number): number {
  let claimed = 0
  for (let run = 0; run < runs; run++) {
    const stream = createStream(String(run), 'in phase')
    const traces: [string[], string[]] = [[], []]
    for (let round = 0; round < repetitions; round++) {
      const places = stream.permutation(cells)
      for (const level of [0, 1] as const)
        traces[level].push(String(Math.floor((2 * (places[level] as number)) / cells)))
    }
    const own = traces.map((results, dummy) => trialCell({ backend: 'coin', knobs: { dummy }, traces: results }))
    const [result] = judgeSettings(own, findSilence(own), 1)
    if (result?.bits === 'followed' && result.strength === 'claimed') claimed++
  }
  return claimed
}
