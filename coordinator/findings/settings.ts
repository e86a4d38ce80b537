import type { Comparison, ReportCell, ReportCore, SettingFinding } from '../report/format.ts'
import { agentNames, grouped, listed, plural } from '../report/wording.ts'
import { countTrialPairs } from '../plan/trial-pairs.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { classifyVariable } from '../../shared/environment.ts'
import { accountsForAll } from './accounts.ts'
import { type ClaimRule, createClaimRule } from './claim.ts'
import { settingStates } from './effective.ts'
import { tooFewText } from './executions.ts'
import { type KnobStatement, stateKnobs } from './knob-statements.ts'
import { findSilence, type Silence } from './silence.ts'
import type { TrialCell } from './trial-cell.ts'
import { judgeSettings, type SettingResult, type TrialLevel } from './trials.ts'

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
  const otherInputs = new Set(core.comparisons.filter(({ inputsEqual }) => inputsEqual !== true).map(rowOf))
  const usable = cells.filter(({ row }) => !otherInputs.has(row))
  const results = judgeSettings(usable, silence, pairs)
  const places = placesByRow(core)
  const words: CellWords = {
    letters: lettersOf(core),
    variables: codePathVariablesOf(core),
    cells: new Map(core.cells.map((cell) => [cell.id, cell])),
    agents: agentNames(core),
  }
  const { needed } = createClaimRule(pairs)
  // Where cells of one value differ, nothing was changed alone: that is no finding.
  const told = results.filter(({ bits }) => bits !== 'unclear')
  const settings = told.map((result): SettingFinding => {
    const { setting, row, bits, trials, followed, executions } = result
    return {
      setting,
      rows: places.get(row) ?? [],
      outcome: bits === 'followed' || bits === 'stayed' ? bits : 'not tested',
      strength: bits === 'followed' ? result.strength : bits === 'stayed' && executions >= needed ? 'claimed' : 'seen',
      trials,
      followed,
      executions: Number.isFinite(executions) ? executions : 0,
      needs: bits === 'followed' ? result.needs : needed,
      text: textOf(result, words),
    }
  })
  return {
    settings,
    accounted: accountedRows(
      core,
      usable,
      settings.filter(({ strength }) => strength === 'claimed'),
      silence,
    ),
    accountedIfSeen: accountedRows(core, usable, settings, silence),
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

function placesByRow({ comparisons }: ReportCore): Map<string, number[]> {
  const places = new Map<string, number[]>()
  comparisons.forEach((comparison, i) => {
    const row = rowOf(comparison)
    places.set(row, [...(places.get(row) ?? []), i])
  })
  return places
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

/** Rows all of whose differences these settings account for, as far as the bits followed them. */
function accountedRows(
  core: ReportCore,
  cells: readonly TrialCell[],
  settings: readonly SettingFinding[],
  silence: Silence,
): Set<number> {
  const byComparison = new Map<string, TrialCell[]>()
  for (const cell of cells) {
    const key = canonicalJson([cell.row, cell.seed])
    byComparison.set(key, [...(byComparison.get(key) ?? []), cell])
  }
  return new Set(
    core.comparisons.flatMap((comparison, i) => {
      const followed = settings.filter(({ rows, outcome }) => outcome === 'followed' && rows.includes(i))
      const own = byComparison.get(canonicalJson([rowOf(comparison), comparison.seed])) ?? []
      if (comparison.classes.length < 2 || followed.length === 0) return []
      return accountsForAll(own, new Set(followed.map(({ setting }) => setting)), silence) ? [i] : []
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
}

function textOf(result: SettingResult, words: CellWords): string {
  const { setting, trials, followed, stayed, unclear, silenced, executions } = result
  // If all cells of a value set other knobs, too, those are not alone; all of them stand for the value.
  const several = result.example.levels.some(({ cells, silenced: unheard }) => cells.length + unheard.length > 1)
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
    case 'silenced':
      return `${head}: no evidence, because ${silenced === 1 ? 'a cell disagrees with itself' : 'cells disagree with themselves'}`
  }
}

/** Of several trials, which one is shown: `for example in the row of seed=42, openblas.threads=1: `. Letters are those of its row. */
function placeText({ example, setting, knob }: SettingResult, trials: number, { cells, agents }: CellWords): string {
  const cell = cells.get(example.levels.flatMap((level) => level.cells)[0] ?? '')
  if (trials < 2 || cell === undefined) return ''
  const library = setting.split(/[. ]/)[0] as string
  const others = Object.entries(cell.condition.knobs).filter(([name]) => knob !== undefined && name !== knob)
  const place = [
    ...(agents.size > 1 ? [`on ${agents.get(example.agent) ?? example.agent}`] : []),
    `seed=${example.seed}`,
    ...others.map(([name, value]) => `${library}.${name}=${String(value)}`),
  ]
  return `for example in the row of ${place.join(', ')}: `
}

/** `sequential gives A, reverse gives B`; a value under which other settings matter, too, gives several. */
function exampleText({ example }: SettingResult, { letters, variables }: CellWords): string {
  const shown = new Map<string, string[]>()
  for (const level of example.levels) {
    const own = [...new Set(level.cells.flatMap((id) => letters.get(id) ?? []))].sort().join(' or ')
    if (own !== '') shown.set(own, [...(shown.get(own) ?? []), levelText(level, variables)])
  }
  const said = [...shown].map(([own, levels]) => {
    const more = levels.length > 3 ? [`${levels.length - 3} more`] : []
    return `${listed([...levels.slice(0, 3), ...more])} ${levels.length === 1 ? 'gives' : 'give'} ${own}`
  })
  return `${said.slice(0, 4).join(', ')}${said.length > 4 ? `, and ${plural(said.length - 4, 'more class', 'more classes')}` : ''}`
}

/** A value that is left out may be set by the environment: then the variable is named beside it. */
function levelText({ asked, value, state, cells }: TrialLevel, variables: CellWords['variables']): string {
  if (state === 'replaced') return `${String(asked)} (replaced by ${value})`
  if (state !== 'left out') return String(asked)
  const set = [...new Set(cells.flatMap((id) => variables.get(id) ?? []))]
  const said = [...(value === undefined ? [] : [value]), ...set]
  return said.length === 0 ? 'left out' : `left out (${said.join(', ')})`
}
