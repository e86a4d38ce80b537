import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Execution, Note, Outcome } from '../../shared/execution.ts'
import { effectiveFact, type Facts } from '../../shared/facts.ts'
import type { CellRecord, ExecutionRecord, RunData } from '../records.ts'
import { byNaturalName } from '../report/wording.ts'
import { withLacks } from './lack.ts'
import { fillUnread } from './unread-facts.ts'

/** How a repetition ended; `missing` where nothing came back, of a run that was not cancelled. */
export type Ending = Outcome | { readonly status: 'missing' }

export interface Repetition {
  readonly repetition: number
  readonly ending: Ending
  readonly execution?: Execution
}

/** A cell with its executions, and what they agree on. */
export interface CellOutcome {
  readonly cell: CellRecord
  /** By repetition, then by attempt; a repetition without a result has an entry of its own. */
  readonly repetitions: readonly Repetition[]
  readonly completed: readonly CompletedExecution[]
  /** `completed` where every repetition is; else the first that is not, an error before an `unsupported`. */
  readonly ending: Ending
  readonly version: string | null
  readonly label: Execution['label']
  /** Settings read back, where all executions agree on them. */
  readonly effective: Facts
  /** Facts beyond the agent's own, where all executions agree on them. */
  readonly facts: Facts
  /** Facts and settings on which executions disagreed, with the values seen; an empty text if one did not record it. */
  readonly varying: Readonly<Record<string, string[]>>
  readonly notes: readonly Note[]
  /** Of a cell that is unsupported in all executions: why. */
  readonly lack?: Lack
}

/** `inapplicable`: its backend never computes this. `absent`: its agent lacks something, or has it too old. */
export type Lack = 'inapplicable' | 'absent'

export interface CompletedExecution {
  readonly repetition: number
  readonly trace: string
  readonly execution: Execution
}

/** Every cell of a run with what became of it, in the plan's order: by position, then by its agent's name. */
export function cellOutcomes({ run, cells, executions }: RunData): CellOutcome[] {
  const byCell = new Map<string, ExecutionRecord[]>()
  for (const record of executions) {
    const records = byCell.get(record.cell)
    if (records) records.push(record)
    else byCell.set(record.cell, [record])
  }
  const agentFacts = new Map(run.agents.map(({ id, facts }) => [id, facts]))
  // Keys of agents are random: letters by them would be others in each lab.
  const names = new Map(run.agents.map(({ id, name }) => [id, name]))
  const byAgent = (a: string, b: string) => byNaturalName(names.get(a) ?? '', names.get(b) ?? '') || compareText(a, b)
  const absent: Ending = { status: run.state === 'cancelled' ? 'cancelled' : 'missing' }
  const outcomes = cells
    .toSorted((a, b) => a.position - b.position || byAgent(a.agent, b.agent) || compareText(a.id, b.id))
    .map((cell) => cellOutcome(cell, byCell.get(cell.id) ?? [], agentFacts.get(cell.agent) ?? {}, absent))
  return withLacks(outcomes, run.agents)
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** @param absent how a repetition ended that has no record */
function cellOutcome(
  cell: CellRecord,
  records: readonly ExecutionRecord[],
  agentFacts: Facts,
  absent: Ending,
): CellOutcome {
  const repetitions = alikeSurrounded(
    Array.from({ length: cell.repetitions }, (_, i) => repetitionsOf(i, records, absent)).flat(),
  )
  const completed = repetitions.flatMap(({ repetition, ending, execution }) =>
    ending.status === 'completed' && execution?.trace ? [{ repetition, trace: execution.trace, execution }] : [],
  )
  const failures = repetitions.map(({ ending }) => ending).filter(({ status }) => status !== 'completed')
  // Where any completed, they speak for the cell: a runner that died could not read anything back.
  const speaking = completed.length > 0 ? completed : repetitions
  const said = speaking.flatMap(({ execution }) => (execution ? [execution] : []))
  const settings = agreement(said.map(({ effective }) => effective))
  const facts = agreement(fillUnread(said.map((execution) => execution.facts)))
  const { backend } = cell.condition
  const prefixed = Object.entries(settings.varying).map(
    ([name, values]) => [effectiveFact(backend, name), values] as const,
  )
  return {
    cell,
    repetitions,
    completed,
    ending: failures.find(({ status }) => status !== 'unsupported') ?? failures[0] ?? { status: 'completed' },
    version: said.find(({ version }) => version !== undefined)?.version ?? null,
    label: said[0]?.label ?? 'native',
    effective: settings.agreed,
    facts: Object.fromEntries(Object.entries(facts.agreed).filter(([key, value]) => agentFacts[key] !== value)),
    varying: { ...facts.varying, ...Object.fromEntries(prefixed) },
    notes: distinctNotes(repetitions),
  }
}

/** An attempt that failed and was made again says nothing of the repetition, as long as one completed. */
function repetitionsOf(repetition: number, records: readonly ExecutionRecord[], absent: Ending): Repetition[] {
  const attempts = records
    .filter((record) => record.repetition === repetition)
    .sort((a, b) => a.attempt - b.attempt || compareText(a.execution.trace ?? '', b.execution.trace ?? ''))
    .map(({ execution }) => ({ repetition, ending: execution.outcome, execution }))
  const completed = attempts.filter(({ ending }) => ending.status === 'completed')
  if (completed.length > 0) return completed
  return [attempts.at(-1) ?? { repetition, ending: absent }]
}

/**
 * Executions are repetitions of one cell only under the same version, label and variables of the environment. An agent that
 * is started again, as by a run that is resumed, can have others. Those unlike the first completed one count as failed: else
 * a difference between them would look like chance.
 */
function alikeSurrounded(repetitions: readonly Repetition[]): Repetition[] {
  const first = repetitions.find(({ ending }) => ending.status === 'completed')?.execution
  if (first === undefined) return [...repetitions]
  return repetitions.map((one) => {
    if (one.ending.status !== 'completed' || one.execution === undefined) return one
    const changes = changedSurroundings(first, one.execution)
    if (changes.length === 0) return one
    const message = `it ran under other conditions than the first: ${changes.join(', ')}`
    return { ...one, ending: { status: 'failed', code: 'conflict', message, stderr: '' } }
  })
}

function changedSurroundings(a: Execution, b: Execution): string[] {
  const [before, after] = [surroundingsOf(a), surroundingsOf(b)]
  const said = (value: string | undefined) => value ?? 'not set'
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => before[name] !== after[name])
    .sort()
    .map((name) => `${name} was ${said(before[name])}, then ${said(after[name])}`)
}

function surroundingsOf({ version, ambient, label }: Execution): Readonly<Record<string, string | undefined>> {
  return { ...ambient, 'the version': version, 'the label': label }
}

/** Keys that all have with one value, and those where values differ or somebody has none. */
function agreement(all: readonly Facts[]): { agreed: Facts; varying: Record<string, string[]> } {
  const agreed: Record<string, string> = {}
  const varying: Record<string, string[]> = {}
  for (const key of [...new Set(all.flatMap((facts) => Object.keys(facts)))].sort()) {
    const values = [...new Set(all.map((facts) => facts[key] ?? ''))].sort()
    if (values.length === 1) agreed[key] = values[0] as string
    else varying[key] = values
  }
  return { agreed, varying }
}

function distinctNotes(repetitions: readonly Repetition[]): Note[] {
  const notes = new Map<string, Note>()
  for (const { execution } of repetitions) {
    for (const note of execution?.notes ?? []) notes.set(canonicalJson([note.kind, note.subject, note.message]), note)
  }
  return [...notes].sort(([a], [b]) => compareText(a, b)).map(([, note]) => note)
}
