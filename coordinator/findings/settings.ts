import type { Comparison, ReportCell, ReportCore, SettingFinding } from '../report/format.ts'
import { agentNames, grouped, listed, plural } from '../report/wording.ts'
import { countTrialPairs } from '../plan/trial-pairs.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { classifyVariable } from '../../shared/environment.ts'
import { groupBy } from '../../shared/group-by.ts'
import { accountsForAll } from './accounts.ts'
import { type ClaimRule, createClaimRule } from './claim.ts'
import { settingStates } from './effective.ts'
import { tooFewText } from './executions.ts'
import { type KnobStatement, stateKnobs } from './knob-statements.ts'
import { findSilence, type Silence } from './silence.ts'
import type { TrialCell } from './trial-cell.ts'
import { blocksOf, judgeSettings, type SettingResult, type TrialLevel } from './trials.ts'

/** What the plan tested, and what the rest of the findings needs of it. */
export interface TestedSettings {
  readonly settings: SettingFinding[]
  /** Places of the rows all of whose differences the claimed settings account for. */
  readonly accounted: ReadonlySet<number>
  /** The same, with those that were only seen. */
  readonly accountedIfSeen: ReadonlySet<number>
  readonly silence: Silence
  readonly rule: ClaimRule
  /** What became of each knob. */
  readonly statements: readonly KnobStatement[]
}

/**
 * What the settings that the plan changes alone do to the bits. Rows whose inputs differ take no part: there the bits may
 * differ whatever a setting does.
 */
export function findSettings(core: ReportCore): TestedSettings {
  const cells = trialCells(core)
  const silence = findSilence(cells)
  const pairs = countTrialPairs(core.cells.filter(({ lack }) => lack !== 'inapplicable'))
  const otherInputs = new Set(
    core.comparisons.filter(({ classes, inputsEqual }) => classes.length > 0 && inputsEqual !== true).map(rowOf),
  )
  const usable = cells.filter(({ row }) => !otherInputs.has(row))
  const results = judgeSettings(usable, silence, pairs)
  const places = groupBy(core.comparisons.keys(), (i) => rowOf(core.comparisons[i] as Comparison))
  const words: CellWords = {
    letters: lettersOf(core),
    variables: codePathVariablesOf(core),
    cells: new Map(core.cells.map((cell) => [cell.id, cell])),
    agents: agentNames(core),
    severalSeeds: new Set(core.comparisons.map(({ seed }) => seed)).size > 1,
  }
  const { needed } = createClaimRule(pairs)
  const settings = results.map((result): SettingFinding => {
    const { setting, row, bits, trials, followed, executions } = result
    const rows = places.get(row) ?? []
    const rowsAt = (seeds: readonly string[]) => {
      const wanted = new Set(seeds)
      return rows.filter((i) => wanted.has(core.comparisons[i]?.seed as string))
    }
    return {
      setting,
      rows,
      outcome: bits === 'followed' || bits === 'stayed' ? bits : 'not tested',
      strength: strengthOf(result, needed),
      followedIn:
        bits === 'followed'
          ? { claimed: rowsAt(result.seeds.claimed), seen: rowsAt(result.seeds.seen) }
          : { claimed: [], seen: [] },
      trials,
      followed,
      executions: Number.isFinite(executions) ? executions : 0,
      needs: bits === 'followed' ? result.needs : needed,
      text: textOf(result, words),
    }
  })
  return {
    settings,
    accounted: accountedRows(core, usable, settings, ({ claimed }) => claimed, silence),
    accountedIfSeen: accountedRows(core, usable, settings, ({ claimed, seen }) => [...claimed, ...seen], silence),
    silence,
    rule: createClaimRule(Math.max(pairs, results.length)),
    statements: stateKnobs(cells, silence, results),
  }
}

function rowOf({
  workload,
  workloadVersion,
  params,
}: Pick<Comparison, 'workload' | 'workloadVersion' | 'params'>): string {
  return canonicalJson([workload, workloadVersion, params])
}

/** Of what was not tested there is none. */
function strengthOf(result: SettingResult, needed: number): SettingFinding['strength'] {
  if (result.bits === 'followed') return result.strength
  if (result.bits !== 'stayed') return undefined
  return result.executions >= needed ? 'claimed' : 'seen'
}

function trialCells({ cells }: ReportCore): TrialCell[] {
  return cells.flatMap((cell): TrialCell[] => {
    const { id, agent, workload, workloadVersion, seed, condition, facts } = cell
    const traces = cell.traces.filter((trace) => trace !== null)
    if (traces.length === 0) return []
    const { backend, device, knobs, effective, version, label } = condition
    return [
      {
        id,
        agent,
        workload: `${workload}@${workloadVersion}`,
        row: rowOf(cell),
        seed,
        condition: { backend, device, knobs },
        version,
        emulator: label === 'emulated' ? (facts.emulator ?? 'emulated') : '',
        effective,
        states: settingStates(cell),
        traces,
      },
    ]
  })
}

/** The letter of each cell that is in a class. */
function lettersOf({ comparisons }: ReportCore): Map<string, string> {
  return new Map(
    comparisons.flatMap(({ classes }) =>
      classes.flatMap(({ letter, cells }) => cells.map((id) => [id, letter] as const)),
    ),
  )
}

/** For each cell, the variables of its environment that select a code path. */
function codePathVariablesOf({ cells }: ReportCore): Map<string, string[]> {
  return new Map(
    cells.map(({ id, ambient = {} }) => [
      id,
      Object.entries(ambient).flatMap(([name, value]) =>
        classifyVariable(name, value) === 'code path' ? [`${name}=${value}`] : [],
      ),
    ]),
  )
}

/**
 * Rows all of whose differences the settings account for that the bits followed there.
 *
 * @param counting which of the rows in which the bits followed a setting count
 */
function accountedRows(
  core: ReportCore,
  cells: readonly TrialCell[],
  settings: readonly SettingFinding[],
  counting: (followedIn: SettingFinding['followedIn']) => readonly number[],
  silence: Silence,
): Set<number> {
  const byComparison = groupBy(cells, ({ row, seed }) => canonicalJson([row, seed]))
  const found = new Map<number, Set<string>>()
  for (const { setting, followedIn } of settings) {
    for (const i of counting(followedIn)) found.set(i, (found.get(i) ?? new Set()).add(setting))
  }
  return new Set(
    [...found].flatMap(([i, own]) => {
      const comparison = core.comparisons[i] as Comparison
      const compared = byComparison.get(canonicalJson([rowOf(comparison), comparison.seed])) ?? []
      return comparison.classes.length > 1 && accountsForAll(compared, own, silence) ? [i] : []
    }),
  )
}

/** What the text says of a cell, by its id. */
interface CellWords {
  readonly letters: ReadonlyMap<string, string>
  /** Variables of its environment that select a code path. */
  readonly variables: ReadonlyMap<string, readonly string[]>
  readonly cells: ReadonlyMap<string, ReportCell>
  readonly agents: ReadonlyMap<string, string>
  /** Whether seeds tell rows apart. */
  readonly severalSeeds: boolean
}

function textOf(result: SettingResult, words: CellWords): string {
  const { setting, trials, followed, stayed, unclear, silenced, executions } = result
  // If all cells of a value set other knobs, too, those are not alone; all of them stand for the value.
  const several = [...result.example.levels, ...(result.example.leftOut ?? [])].some(
    ({ cells, silenced: unheard }) => cells.length + unheard.length > 1,
  )
  const how = several ? 'changed, each value under all its other settings,' : 'changed alone'
  const head = `${setting} was ${how} in ${plural(trials, 'trial')}`
  const silent =
    silenced === 0
      ? ''
      : `; ${plural(silenced, 'trial')} ${silenced === 1 ? 'is' : 'are'} no evidence, because cells disagree with themselves`
  switch (result.bits) {
    case 'followed': {
      const counts =
        trials === 1 ? 'the bits followed' : `the bits followed in ${followed === trials ? 'all' : grouped(followed)}`
      const marked = result.strength === 'claimed' ? '' : ` ${tooFewText(executions, result.needs).replace(/\.$/, '')}`
      return `${head}: ${counts} (${placeText(result, trials, words)}${exampleText(result, words)})${silent}${marked === '' ? '' : `.${marked}`}`
    }
    case 'stayed':
      return `${head}: the bits stayed${stayed === trials ? '' : ` in ${grouped(stayed)}`}${unclear === 0 ? '' : `; ${plural(unclear, 'trial')} cannot be told`}${silent}`
    case 'unclear':
      return `${head}: whether the bits follow cannot be told (${placeText(result, trials, words)}${exampleText(result, words)})${silent}`
    case 'silenced':
      return `${head}: no evidence, because ${silenced === 1 ? 'a cell disagrees with itself' : 'cells disagree with themselves'}`
  }
}

/**
 * Of several trials, which one is shown: `for example in the row of seed=42, on rack-1, openblas.threads=1: `. Letters are those
 * of its row, which the seed tells where there are several.
 */
function placeText(
  { example, setting, knob }: SettingResult,
  trials: number,
  { cells, agents, severalSeeds }: CellWords,
): string {
  const cell = cells.get(example.levels.flatMap((level) => level.cells)[0] ?? '')
  if (trials < 2 || cell === undefined) return ''
  const library = setting.split(/[. ]/)[0] as string
  const others = Object.entries(cell.condition.knobs).filter(([name]) => knob !== undefined && name !== knob)
  const place = [
    ...(severalSeeds ? [`in the row of seed=${example.seed}`] : []),
    ...(agents.size > 1 ? [`on ${agents.get(example.agent) ?? example.agent}`] : []),
    ...others.map(([name, value]) => `${library}.${name}=${String(value)}`),
  ]
  return place.length === 0 ? 'for example ' : `for example ${place.join(', ')}: `
}

/**
 * `sequential gives A, reverse gives B`. A value under which other settings matter, too, gives several classes; values
 * that share some of them are told apart from those that share none: `x gives A or B, y gives A: these share bits; z gives C`.
 */
function exampleText({ example }: SettingResult, words: CellWords): string {
  const counting = example.levels.filter(({ cells }) => cells.length > 0)
  const first = (block: readonly TrialLevel[]) => Math.min(...block.map((level) => counting.indexOf(level)))
  const blocks = blocksOf(counting)
    .sort((a, b) => first(a) - first(b))
    .map((block) => levelsByClass(block, words))
    .filter((classes) => classes.length > 0)
  const mixed = blocks.some((classes) => classes.length > 1)
  const said = blocks
    .slice(0, 4)
    .map((classes) => `${classes.join(', ')}${classes.length > 1 ? ': these share bits' : ''}`)
  const more = blocks.length - said.length
  const all = `${said.join(mixed ? '; ' : ', ')}${more > 0 ? `, and ${plural(more, 'more class', 'more classes')}` : ''}`
  const left = example.leftOut?.map((level) => levelText(level, words.variables)) ?? []
  if (left.length === 0) return all
  return `${all}; ${listed(left)} ${left.length === 1 ? 'is' : 'are'} left out, with results of several others`
}

/** `sequential and pairwise give A`, for each set of classes that values of a block give. */
function levelsByClass(block: readonly TrialLevel[], { letters, variables }: CellWords): string[] {
  const shown = new Map<string, string[]>()
  for (const level of block) {
    const own = listed([...new Set(level.cells.flatMap((id) => letters.get(id) ?? []))].sort(), 'or')
    if (own !== '') shown.set(own, [...(shown.get(own) ?? []), levelText(level, variables)])
  }
  return [...shown].map(([own, levels]) => {
    const more = levels.length > 3 ? [`${levels.length - 3} more`] : []
    return `${listed([...levels.slice(0, 3), ...more])} ${levels.length === 1 ? 'gives' : 'give'} ${own}`
  })
}

/** A value that is left out may be set by the environment: then the variable is named beside it. */
function levelText({ asked, value, state, cells }: TrialLevel, variables: CellWords['variables']): string {
  if (state === 'replaced') return `${String(asked)} (replaced by ${value})`
  if (state !== 'left out') return String(asked)
  const set = [...new Set(cells.flatMap((id) => variables.get(id) ?? []))]
  const said = [...(value === undefined ? [] : [value]), ...set]
  return said.length === 0 ? 'left out' : `left out (${said.join(', ')})`
}
