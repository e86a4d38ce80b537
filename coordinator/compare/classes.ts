import { canonicalJson } from '../../shared/canonical-json.ts'
import type { CellOutcome, CompletedExecution } from './cells.ts'

/** Cells that are to be equal: one workload at one version, with one set of parameters and one seed. */
export interface Group {
  readonly workload: string
  readonly workloadVersion: number
  readonly params: Readonly<Record<string, unknown>>
  readonly seed: string
  readonly outcomes: readonly CellOutcome[]
}

/** Cells whose traces are equal, in the plan's order. */
export interface TraceClass {
  readonly letter: string
  readonly trace: string
  readonly members: readonly CellOutcome[]
}

export interface Classes {
  readonly classes: readonly TraceClass[]
  /** Cells that disagreed with themselves; they belong to no class. */
  readonly nondeterministic: readonly {
    readonly outcome: CellOutcome
    readonly byTrace: readonly CompletedExecution[][]
  }[]
  /** Some repetition did not complete. What did complete of them is compared all the same. */
  readonly incomplete: readonly CellOutcome[]
  readonly absent: readonly CellOutcome[]
  readonly inapplicable: readonly CellOutcome[]
  /** Cells of which an execution completed, if there are at least two of them. */
  readonly compared: readonly CellOutcome[]
  /** The least number of executions of a cell in a class; null where there is no class. */
  readonly leastExecutions: number | null
}

/** Groups in the order of their first cells. */
export function groupOutcomes(outcomes: readonly CellOutcome[]): Group[] {
  const groups = new Map<string, Group & { outcomes: CellOutcome[] }>()
  const texts = new Map<object, string>()
  for (const outcome of outcomes) {
    const { workload, workloadVersion, params, seed } = outcome.cell
    const text = texts.get(params) ?? canonicalJson(params)
    texts.set(params, text)
    const key = JSON.stringify([workload, workloadVersion, text, seed])
    const group = groups.get(key)
    if (group) group.outcomes.push(outcome)
    else groups.set(key, { workload, workloadVersion, params, seed, outcomes: [outcome] })
  }
  return [...groups.values()]
}

/**
 * Self-consistency first, then classes by trace digest. Letters go by each class's first cell in the given order;
 * never by size, so no class is the right one because it is large.
 */
export function classify(outcomes: readonly CellOutcome[]): Classes {
  const classes = new Map<string, { letter: string; trace: string; members: CellOutcome[] }>()
  const nondeterministic: { outcome: CellOutcome; byTrace: CompletedExecution[][] }[] = []
  let leastExecutions: number | null = null
  for (const outcome of outcomes) {
    const byTrace = new Map<string, CompletedExecution[]>()
    for (const execution of outcome.completed) {
      const same = byTrace.get(execution.trace)
      if (same) same.push(execution)
      else byTrace.set(execution.trace, [execution])
    }
    if (byTrace.size > 1) nondeterministic.push({ outcome, byTrace: [...byTrace.values()] })
    const [trace] = byTrace.keys()
    if (byTrace.size !== 1 || trace === undefined) continue
    leastExecutions = Math.min(leastExecutions ?? Infinity, outcome.completed.length)
    const known = classes.get(trace)
    if (known) known.members.push(outcome)
    else classes.set(trace, { letter: letterOf(classes.size), trace, members: [outcome] })
  }
  const completed = outcomes.filter((outcome) => outcome.completed.length > 0)
  return {
    classes: [...classes.values()],
    nondeterministic,
    incomplete: outcomes.filter(({ ending, lack }) => ending.status !== 'completed' && lack === undefined),
    absent: outcomes.filter(({ lack }) => lack === 'absent'),
    inapplicable: outcomes.filter(({ lack }) => lack === 'inapplicable'),
    compared: completed.length > 1 ? completed : [],
    leastExecutions,
  }
}

/** A, B, … Z, AA, AB, …, as columns of a spreadsheet. */
export function letterOf(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26))
  return index < 26 ? letter : letterOf(Math.floor(index / 26) - 1) + letter
}
