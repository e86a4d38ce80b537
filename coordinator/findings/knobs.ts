import { backendName } from '../../shared/backend-description.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { KnobFinding, ReportCell, ReportCore } from '../report/format.ts'
import { plural } from '../report/wording.ts'
import { settingStates } from './effective.ts'

/** A cell with the one trace that all its executions have. */
interface OneResult {
  readonly cell: ReportCell
  readonly trace: string
}

/**
 * Knobs whose value is replaced by another, not read back, or without effect. A value has no effect if each cell that
 * sets it has the bits and the effective settings of the cell that leaves it out, and if no other value of that knob
 * changes the bits.
 *
 * @param followed knobs, `BACKEND.KNOB`, whose trials changed the bits
 */
export function findKnobs(core: ReportCore, followed: ReadonlySet<string>): KnobFinding[] {
  const results = oneResults(core)
  const leftOut = new Map<string, OneResult>(results.map((result) => [keyOf(result.cell, result.cell.condition.knobs), result]))
  const found = new Map<string, KnobUse>()
  for (const cell of core.cells) {
    if (cell.traces.every((trace) => trace === null)) continue
    for (const [name, state] of Object.entries(settingStates(cell))) {
      const knob = `${backendName(cell.condition.backend)}.${name}`
      const value = String(cell.condition.knobs[name])
      const by = state.state === 'replaced' ? state.by : undefined
      const why = state.state === 'in force' ? undefined : state.why
      const key = canonicalJson([knob, value, state.state, by ?? null, why ?? null])
      const use = found.get(key) ?? { knob, name, value, state: state.state, by, why, cells: [] }
      use.cells.push(cell)
      found.set(key, use)
    }
  }
  const byId = new Map(results.map((result) => [result.cell.id, result]))
  const uses = [...found.values()]
  return uses.flatMap((use): KnobFinding[] => {
    const against = compareWithLeftOut(use, byId, leftOut)
    const alone = !followed.has(use.knob) && against.pairs > 0 && against.equal === against.pairs && against.sameSettings
    const state = alone ? 'no effect' : use.state
    if (state === 'in force') return []
    const cells = use.cells.map(({ id }) => id)
    return [{ knob: use.knob, value: use.value, state, by: use.by, cells, text: textOf(use, state, against) }]
  })
}

interface KnobUse {
  readonly knob: string
  readonly name: string
  readonly value: string
  readonly state: 'in force' | 'replaced' | 'unknown'
  readonly by: string | undefined
  readonly why: string | undefined
  readonly cells: ReportCell[]
}

interface Against {
  readonly pairs: number
  readonly equal: number
  readonly sameSettings: boolean
}

function oneResults({ cells }: ReportCore): OneResult[] {
  return cells.flatMap((cell): OneResult[] => {
    const traces = new Set(cell.traces.filter((trace) => trace !== null))
    const [trace] = traces
    return traces.size === 1 && trace !== undefined ? [{ cell, trace }] : []
  })
}

function keyOf(cell: ReportCell, knobs: ReportCell['condition']['knobs']): string {
  const { agent, workload, workloadVersion, params, seed, condition } = cell
  return canonicalJson([agent, workload, workloadVersion, params, seed, condition.backend, condition.device, knobs])
}

/** Each cell against the one that is alike but leaves the knob out. */
function compareWithLeftOut(
  { name, cells }: KnobUse,
  results: ReadonlyMap<string, OneResult>,
  leftOut: ReadonlyMap<string, OneResult>,
): Against {
  const pairs = cells.flatMap((cell) => {
    const { [name]: _, ...rest } = cell.condition.knobs
    const [own, other] = [results.get(cell.id), leftOut.get(keyOf(cell, rest))]
    return own && other ? [{ own, other }] : []
  })
  return {
    pairs: pairs.length,
    equal: pairs.filter(({ own, other }) => own.trace === other.trace).length,
    sameSettings: pairs.every(
      ({ own, other }) =>
        Object.keys(other.cell.condition.effective).length > 0 &&
        canonicalJson(own.cell.condition.effective) === canonicalJson(other.cell.condition.effective),
    ),
  }
}

function textOf({ knob, value, by, why }: KnobUse, state: KnobFinding['state'], { pairs, equal }: Against): string {
  const reason = why === undefined ? '' : ` (${why})`
  const compared =
    pairs === 0
      ? ''
      : equal === pairs
        ? `; the bits are those of leaving it out in ${plural(pairs, 'pair')} of cells`
        : `; it differs from leaving it out in ${pairs - equal} of ${plural(pairs, 'pair')} of cells`
  if (state === 'no effect') {
    const instead = by === undefined ? '' : `, and ${by} is in force`
    return `${knob}=${value} had no effect: bits and settings are those of leaving it out in ${plural(pairs, 'pair')} of cells${instead}${reason}`
  }
  if (state === 'replaced') return `${knob}=${value} was replaced by ${by}${compared}${reason}`
  return `${knob}=${value}: in force or not is unknown, because it is not read back${compared}${reason}`
}
