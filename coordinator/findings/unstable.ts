import type { Comparison, ReportCell, ReportCore, SelfDisagreement, SelfFinding } from '../report/format.ts'
import { selfDifferenceText } from '../report/kind-text.ts'
import { agentNames, checkpointText, conditionText, grouped, plural } from '../report/wording.ts'
import { executionsOf } from './executions.ts'
import type { Silence } from './silence.ts'

/** Where each cell that disagreed with itself does so, and how the nearest cell that agrees with itself differs from it. */
export function findUnstable(core: ReportCore, silence: Silence): SelfFinding[] {
  // Nor can a twin be one whose condition disagrees with itself elsewhere.
  const cells = new Map(core.cells.map((cell) => [cell.id, cell]))
  const steady = new Map([...cells].filter(([id]) => silence.reason(id) === undefined))
  const unstable = core.comparisons.reduce((sum, { nondeterministic }) => sum + nondeterministic.length, 0)
  const names = agentNames(core)
  const several = core.agents.length > 1
  const title = (cell: ReportCell) =>
    `${conditionText(cell.condition)}${several ? ` on ${names.get(cell.agent) ?? cell.agent}` : ''}`
  return core.comparisons.flatMap((comparison, index) => {
    const candidates = comparison.nondeterministic.length === 0 ? [] : candidatesOf(comparison, steady)
    return comparison.nondeterministic.flatMap((self): SelfFinding[] => {
      const cell = cells.get(self.cell)
      if (cell === undefined) return []
      const finding = { comparison: index, cell: self.cell, executions: self.executions, distinct: self.distinct }
      const text = `${title(cell)} gave ${grouped(self.distinct)} distinct results in ${plural(self.executions, 'execution')}${placeText(self)}`
      const twin = twinOf(cell, candidates)
      if (twin === undefined) return [{ ...finding, text }]
      const { differences } = twin
      const how = differences.length === 1 ? 'only in' : 'in'
      const lucky = chanceOfTwin(cell, executionsOf(twin.cell)) * unstable > 0.05
      const few = lucky ? '. Too few executions to say that it repeats: a cell that is alike can do so by chance' : ''
      const said = `${title(twin.cell)} agrees with itself in ${plural(executionsOf(twin.cell), 'execution')}; as asked for, the two differ ${how} ${differences.join(', ')}${few}`
      return [{ ...finding, text, twin: { cell: twin.cell.id, differences, text: said } }]
    })
  })
}

/**
 * If two cells toss one coin, the probability that all rarer results fall to the first of them (hypergeometric, as in
 * Fisher's exact test).
 *
 * @param executions of the second, which are equal
 */
function chanceOfTwin({ traces }: ReportCell, executions: number): number {
  const own = traces.filter((trace) => trace !== null)
  const counts = new Map<string, number>()
  for (const trace of own) counts.set(trace, (counts.get(trace) ?? 0) + 1)
  // A file may say that a cell disagrees with itself and give no traces of it.
  if (own.length === 0) return 1
  const rarer = own.length - [...counts.values()].reduce((a, b) => Math.max(a, b), 0)
  let chance = 1
  for (let i = 0; i < rarer; i++) chance *= (own.length - i) / (own.length + executions - i)
  return chance
}

function placeText({ first, divergence, missing }: SelfDisagreement): string {
  if (first !== null) return `; they first differ at ${selfDifferenceText(first)}`
  if (divergence !== null) return `; the first two of them differ at ${checkpointText(divergence)}`
  return `; where they differ is not known${missing === undefined ? '' : `: ${missing}`}`
}

/** At most so many differences make a twin. */
const maxDifferences = 2

/** Cells of a row that agreed with themselves in at least two executions. */
function candidatesOf({ classes }: Comparison, steady: ReadonlyMap<string, ReportCell>): ReportCell[] {
  const cells = classes.flatMap((one) => one.cells.flatMap((id) => steady.get(id) ?? []))
  return cells.filter((cell) => executionsOf(cell) > 1)
}

/** Of the candidates, the one with the fewest differences. */
function twinOf(
  cell: ReportCell,
  candidates: readonly ReportCell[],
): { cell: ReportCell; differences: string[] } | undefined {
  let best: { cell: ReportCell; differences: string[] } | undefined
  for (const other of candidates) {
    const differences = differencesOf(cell, other)
    if (differences.length > maxDifferences) continue
    if (best === undefined || differences.length < best.differences.length) best = { cell: other, differences }
  }
  return best
}

function differencesOf(a: ReportCell, b: ReportCell): string[] {
  const found: string[] = []
  const [x, y] = [a.condition, b.condition]
  if (a.agent !== b.agent) found.push('the machine')
  if (x.device !== y.device) found.push(`device (${x.device}, ${y.device})`)
  if (x.backend !== y.backend) {
    found.push(`backend (${x.backend}, ${y.backend})`)
    return found
  }
  for (const name of new Set([...Object.keys(x.knobs), ...Object.keys(y.knobs)])) {
    const [left, right] = [x.knobs[name], y.knobs[name]]
    if (left !== right) found.push(`${x.backend}.${name} (${left ?? 'left out'}, ${right ?? 'left out'})`)
  }
  return found
}
