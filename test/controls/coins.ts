import { findSilence } from '../../coordinator/findings/silence.ts'
import type { TrialCell } from '../../coordinator/findings/trial-cell.ts'
import { judgeSettings, type SettingResult } from '../../coordinator/findings/trials.ts'
import { executionsNeeded } from '../../shared/executions-needed.ts'
import { createStream, type Stream } from '../../shared/random/stream.ts'
import { trialCell } from './trial-cells.ts'

// Coins: cells whose result is drawn, under a setting that does nothing. A claim about that setting is false.

export const coins = {
  'p = 0.5': (stream: Stream) => (stream.u32() < 0.5 * 2 ** 32 ? 'heads' : 'tails'),
  'p = 0.1': (stream: Stream) => (stream.u32() < 0.1 * 2 ** 32 ? 'heads' : 'tails'),
  'p = 0.02': (stream: Stream) => (stream.u32() < 0.02 * 2 ** 32 ? 'heads' : 'tails'),
  'five equal outcomes': (stream: Stream) => String(stream.below(5)),
} as const
export type Coin = keyof typeof coins

/** How the trials of one setting in one workload differ from each other. */
export const structures = {
  seeds: 'two agents, the rest seeds; a condition is silenced in all seeds',
  devices: 'each trial on another kind of device, so no trial silences another',
  cards: 'each trial on another card; a condition that disagrees with itself on two cards is silenced on all',
  'two dummies': 'each trial under another value of a second setting that does nothing either',
  'half deterministic': 'devices, on half of which nothing is random',
  'half silenced': 'devices, on half of which every execution differs',
} as const
export type Structure = keyof typeof structures

export interface CoinDesign {
  readonly coin: Coin
  /** T: workloads with one setting each, or half as many with two. */
  readonly pairs: number
  /** m, the levels of the setting. */
  readonly levels: number
  /** n, the trials of a setting in a workload. */
  readonly trials: number
  readonly structure: Structure
  /** k; left out, what the rule asks of T. */
  readonly executions?: number
}

/** One run of a design, judged. `coin.dummy` does nothing, nor does `coin.other`. */
export function tossRun(design: CoinDesign, seed: number): SettingResult[] {
  const stream = createStream(String(seed), 'coins')
  const cells: TrialCell[] = []
  const rows = design.structure === 'two dummies' ? design.pairs / 2 : design.pairs
  for (let row = 0; row < rows; row++) {
    for (let trial = 0; trial < design.trials; trial++) cells.push(...tossTrial(design, row, trial, stream))
  }
  return judgeSettings(cells, findSilence(cells), design.pairs)
}

function tossTrial(design: CoinDesign, row: number, trial: number, stream: Stream): TrialCell[] {
  const { coin, structure, levels, pairs, executions = executionsNeeded(pairs) } = design
  const odd = trial % 2 === 1
  const draw = () => {
    if (odd && structure === 'half deterministic') return 'always'
    if (odd && structure === 'half silenced') return String(stream.u32())
    return coins[coin](stream)
  }
  return Array.from({ length: levels }, (_, dummy) => {
    const sketch = { row: String(row), backend: 'coin', traces: Array.from({ length: executions }, draw) }
    if (structure === 'seeds') {
      return trialCell({ ...sketch, knobs: { dummy }, agent: `a${trial % 2}`, seed: String(trial >> 1) })
    }
    if (structure === 'two dummies') return trialCell({ ...sketch, knobs: { dummy, other: trial } })
    return trialCell({ ...sketch, knobs: { dummy }, device: structure === 'cards' ? `gpu${trial}` : `kind${trial}` })
  })
}

function isClaimed(results: readonly SettingResult[]): boolean {
  return results.some((one) => one.bits === 'followed' && one.strength === 'claimed')
}

/** Of so many runs, those that claim a setting that does nothing. */
export function falseClaims(design: CoinDesign, runs: number): number {
  let claimed = 0
  for (let seed = 0; seed < runs; seed++) claimed += isClaimed(tossRun(design, seed)) ? 1 : 0
  return claimed
}

/** A setting that matters: its levels give two results in turn. Some levels may be coins. */
export interface PowerDesign {
  readonly pairs: number
  readonly levels: number
  readonly trials: number
  /** Levels, from the last, whose results are random in every execution. */
  readonly randomLevels: number
  /** Trials, from the last, in which the setting does nothing. */
  readonly stayingTrials: number
  readonly executions?: number
}

/** Whether every workload's setting is claimed; if not, the executions that it needs. */
export function findReal(design: PowerDesign): { claimed: boolean; needs: number } {
  const { pairs, levels, trials, randomLevels, stayingTrials, executions = executionsNeeded(pairs) } = design
  const stream = createStream('1', 'power')
  const cells = Array.from({ length: pairs * trials * levels }, (_, i) => {
    const [level, trial, row] = [i % levels, Math.floor(i / levels) % trials, Math.floor(i / levels / trials)]
    const trace = trial >= trials - stayingTrials ? 'same' : level % 2 === 0 ? 'even' : 'odd'
    const random = level >= levels - randomLevels
    return trialCell({
      row: String(row),
      backend: 'coin',
      device: `gpu${trial}`,
      knobs: { real: level },
      traces: Array.from({ length: executions }, () => (random ? String(stream.u32()) : trace)),
    })
  })
  const results = judgeSettings(cells, findSilence(cells), pairs)
  const needs = results.map((result) => (result.bits === 'followed' ? result.needs : Infinity))
  return {
    claimed: results.every((result) => result.bits === 'followed' && result.strength === 'claimed'),
    needs: Math.max(...needs),
  }
}
