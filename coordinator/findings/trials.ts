import { groupBy } from '../../shared/group-by.ts'
import { type ClaimRule, createClaimRule } from './claim.ts'
import type { Silence } from './silence.ts'
import { type Level, type TrialCell } from './trial-cell.ts'
import { type Setting, settingsOf } from './trial-groups.ts'

/** What the bits did in one trial. */
export interface Trial {
  readonly agent: string
  readonly seed: string
  /**
   * `followed`: the levels fall into groups that have no trace in common. `stayed`: all cells have one trace. `unclear`: cells of one level
   * differ, so the values that were read back do not tell what matters. `silenced`: fewer than two levels have a cell
   * that may serve as evidence.
   */
  readonly bits: 'followed' | 'stayed' | 'unclear' | 'silenced'
  /** In the order of the cells. */
  readonly levels: readonly TrialLevel[]
  /** What was asked for, by blocks of levels that share a trace: equal texts are equal partitions. */
  readonly partition: string
  /** The least number of executions of a cell that counts. */
  readonly executions: number
  /** See `TrialOutcome`. */
  readonly looks: number
  /** Levels left out after the fact, because they have several results; undefined if all count. */
  readonly leftOut?: readonly TrialLevel[]
}

export interface TrialLevel extends Level {
  /** All that was asked for and came to this value; undefined stands for leaving the setting out. */
  readonly allAsked: readonly Level['asked'][]
  /** Cells that may serve as evidence, and their distinct traces. */
  readonly cells: readonly string[]
  readonly traces: readonly string[]
  /** Cells that may not. */
  readonly silenced: readonly string[]
}

/** What the trials of one setting show in one workload with its parameters, over agents, seeds and other settings. */
export type SettingResult = SettingCounts &
  (
    | {
        readonly bits: 'followed'
        /** `seen`: too few executions to be claimed. */
        readonly strength: 'claimed' | 'seen'
        /** The least number of executions of each cell with which this is claimed. */
        readonly needs: number
        /** Trials with the same partition as the example. */
        readonly alike: number
        /** The first of them; if some are claimed, the first of those. */
        readonly example: Trial
        /** Seeds of trials that are claimed, and of the others in which the bits followed. */
        readonly seeds: { readonly claimed: readonly string[]; readonly seen: readonly string[] }
      }
    | { readonly bits: 'stayed' | 'unclear' | 'silenced'; readonly example: Trial }
  )

interface SettingCounts {
  readonly setting: string
  /** The bare name of a knob; undefined for other settings. */
  readonly knob: string | undefined
  readonly row: string
  /** All trials, and what the bits did in them. */
  readonly trials: number
  readonly followed: number
  readonly stayed: number
  readonly unclear: number
  readonly silenced: number
  /** The least number of executions of a cell behind what is said. */
  readonly executions: number
  /** Levels of all trials, each once. */
  readonly levels: readonly Level[]
}

/**
 * What the settings that a plan changes alone do to the bits (DESIGN §6.4, §6.5). A trial is the cells of one agent,
 * workload, parameters and seed that differ in one setting, by the value in force. All trials of a setting in a workload
 * are judged together by `createClaimRule`.
 *
 * @param cells of the whole plan. Cells without a completed execution take no part.
 * @param silence of the same cells
 * @param pairs T of the plan; the number of settings and workloads found here, if that is more
 */
export function judgeSettings(cells: readonly TrialCell[], silence: Silence, pairs: number): SettingResult[] {
  const tested = [...groupBy(cells, ({ row }) => row)].flatMap(([row, own]) =>
    settingsOf(own).flatMap((setting) => {
      const trials = setting.groups.flatMap((cells) => clearTrialOf(cells, setting, silence) ?? [])
      return trials.length > 0 ? [{ row, setting, trials }] : []
    }),
  )
  const rule = createClaimRule(Math.max(pairs, tested.length))
  return tested.map(({ row, setting, trials }) => judge(row, setting, trials, rule))
}

/**
 * If a library has several results under its own settings and shares some with the others, the trial of the backend says
 * nothing. The libraries that have one result each are then compared alone. Cells are left out after the fact, so every
 * pair of them was a chance: see `TrialOutcome.looks`.
 */
function clearTrialOf(cells: readonly TrialCell[], { name, levelOf }: Setting, silence: Silence): Trial | undefined {
  const trial = trialOf(cells, levelOf, silence)
  if (name !== 'backend' || trial?.bits !== 'unclear') return trial
  const clear = new Set(trial.levels.filter(({ traces }) => traces.length === 1).flatMap((level) => level.cells))
  const leftOut = trial.levels.filter(({ traces }) => traces.length !== 1)
  const rest = trialOf(
    cells.filter(({ id }) => clear.has(id)),
    levelOf,
    silence,
  )
  return rest === undefined ? trial : { ...rest, leftOut, looks: (cells.length * (cells.length - 1)) / 2 }
}

/** Undefined if all cells have the same value in force: then nothing was tried. */
export function trialOf(cells: readonly TrialCell[], levelOf: Setting['levelOf'], silence: Silence): Trial | undefined {
  const placed = cells.map((cell) => ({ cell, level: levelOf(cell), usable: silence.reason(cell.id) === undefined }))
  const levels = [...groupBy(placed, ({ level }) => level.key).values()].map(trialLevel)
  const [first] = cells
  if (first === undefined || levels.length < 2) return undefined
  const { agent, seed } = first
  const usable = placed.filter((one) => one.usable)
  const counting = levels.filter((one) => one.cells.length > 0)
  const blocks = blocksOf(counting)
  const traces = new Set(counting.flatMap((one) => one.traces))
  return {
    agent,
    seed,
    levels,
    bits: counting.length < 2 ? 'silenced' : blocks.length > 1 ? 'followed' : traces.size > 1 ? 'unclear' : 'stayed',
    partition: partitionText(blocks),
    executions: usable.reduce(
      (least, { cell }) => Math.min(least, cell.traces.length),
      usable.length > 0 ? Infinity : 0,
    ),
    looks: usable.length === cells.length ? 1 : (cells.length * (cells.length - 1)) / 2,
  }
}

interface PlacedCell {
  readonly cell: TrialCell
  readonly level: Level
  readonly usable: boolean
}

function trialLevel(placed: readonly PlacedCell[]): TrialLevel {
  const usable = placed.filter((one) => one.usable)
  return {
    // A group of cells is never empty.
    ...(placed[0] as PlacedCell).level,
    allAsked: [...new Set(placed.map(({ level }) => level.asked))],
    cells: usable.map(({ cell }) => cell.id),
    // All executions of a usable cell have one trace.
    traces: [...new Set(usable.map(({ cell }) => cell.traces[0] as string))],
    silenced: placed.filter((one) => !one.usable).map(({ cell }) => cell.id),
  }
}

/** Levels joined if they have a trace in common. */
export function blocksOf(levels: readonly TrialLevel[]): TrialLevel[][] {
  let blocks: TrialLevel[][] = []
  for (const one of levels) {
    const touches = (block: readonly TrialLevel[]) =>
      block.some(({ traces }) => traces.some((trace) => one.traces.includes(trace)))
    const joined = [...blocks.filter(touches).flat(), one]
    blocks = [...blocks.filter((block) => !touches(block)), joined]
  }
  return blocks
}

function partitionText(blocks: readonly (readonly TrialLevel[])[]): string {
  const texts = blocks.map((block) =>
    JSON.stringify(block.flatMap(({ allAsked }) => allAsked.map((asked) => JSON.stringify(asked ?? null))).sort()),
  )
  return JSON.stringify(texts.sort())
}

function judge(row: string, { name, knob }: Setting, trials: readonly Trial[], rule: ClaimRule): SettingResult {
  const having = (bits: Trial['bits']) => trials.filter((trial) => trial.bits === bits)
  const followed = having('followed')
  const counts = {
    setting: name,
    knob,
    row,
    trials: trials.length,
    followed: followed.length,
    stayed: having('stayed').length,
    unclear: having('unclear').length,
    silenced: having('silenced').length,
    levels: distinctLevels(trials),
  }
  const groups = [...groupBy(followed, ({ partition }) => partition).values()].map((alike) =>
    judgeAlike(trials, alike, rule),
  )
  const [best] = groups.toSorted(
    (a, b) =>
      Number(b.counted.length > 0) - Number(a.counted.length > 0) ||
      b.alike.length - a.alike.length ||
      a.needs - b.needs,
  )
  if (best) {
    const { alike, counted, needs } = best
    const claimed = counted.length > 0
    const behind = claimed ? alike.filter((trial) => counted.includes(trial)) : alike
    return {
      ...counts,
      bits: 'followed',
      strength: claimed ? 'claimed' : 'seen',
      needs,
      alike: alike.length,
      example: behind[0] as Trial,
      executions: leastExecutions(behind),
      seeds: seedsOf(followed, new Set(groups.flatMap((group) => group.counted))),
    }
  }
  const bits = counts.stayed > 0 ? 'stayed' : counts.unclear > 0 ? 'unclear' : 'silenced'
  const own = having(bits)
  return { ...counts, bits, example: own[0] as Trial, executions: leastExecutions(own) }
}

interface JudgedTrials {
  readonly alike: readonly Trial[]
  /** Those that may be claimed. */
  readonly counted: readonly Trial[]
  readonly needs: number
}

/** @param alike with one partition. Only trials whose bits followed have two blocks, so no other trial has it. */
function judgeAlike(all: readonly Trial[], alike: readonly Trial[], rule: ClaimRule): JudgedTrials {
  const { partition } = alike[0] as Trial
  const counted = rule.counted(all, partition)
  const needs = rule.needs(all, partition)
  return { alike, counted, needs: counted.length > 0 ? Math.min(needs, leastExecutions(counted)) : needs }
}

/** A seed at which some trial is claimed is not also one at which the bits were only seen to follow. */
function seedsOf(followed: readonly Trial[], claimed: ReadonlySet<Trial>): { claimed: string[]; seen: string[] } {
  const seeds = new Set(followed.filter((trial) => claimed.has(trial)).map(({ seed }) => seed))
  return {
    claimed: [...seeds],
    seen: [...new Set(followed.map(({ seed }) => seed))].filter((seed) => !seeds.has(seed)),
  }
}

function leastExecutions(trials: readonly Trial[]): number {
  return trials.reduce((least, { executions }) => Math.min(least, executions), Infinity)
}

function distinctLevels(trials: readonly Trial[]): Level[] {
  const distinct = new Map<string, Level>()
  for (const { key, asked, value, state } of trials.flatMap(({ levels }) => levels)) {
    const text = `${typeof asked} ${asked} ${state} ${key}`
    if (!distinct.has(text)) distinct.set(text, { key, asked, value, state })
  }
  return [...distinct.values()]
}
