import { messageOf } from '../../shared/errors.ts'
import type { Facts } from '../../shared/facts.ts'
import { arrayKey } from '../../shared/tensor.ts'
import { parseTrace, type Trace } from '../../shared/trace.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import { minimalFacts } from '../explain/minimal-facts.ts'
import { agentFactsById, unitFacts } from '../explain/unit-facts.ts'
import type { Artifacts, RunData } from '../records.ts'
import type { Comparison, Divergence, Explanation, Verdict } from '../report/format.ts'
import { type CellOutcome, type CompletedExecution, cellOutcomes } from './cells.ts'
import { type Classes, classify, type Group, groupOutcomes, otherOutcomesBelow, type TraceClass } from './classes.ts'
import { measureDivergence, type Side } from './divergence.ts'
import type { GrowthLimits } from './growth.ts'
import { firstDivergence, prefixTreeBranches } from './prefix-tree.ts'
import { measureReference } from './reference.ts'
import { locateSelfDifference, type SelfLimits } from './self-difference.ts'
import { createTensorReader } from './tensor-reader.ts'

const growthLimits: GrowthLimits = { names: 12, points: 64, bytes: 64 << 20 }
const selfLimits: SelfLimits = { traces: 64, bytes: 64 << 20 }
/** Divergences of one comparison whose growth is measured. */
const maxGrown = 12

/**
 * Compares all cells of a run that are to be equal, in the plan's order. Depends on what was computed and on nothing
 * else: not on when results came or in which order, nor on how many agree.
 */
export async function compareRun(data: RunData, artifacts: Artifacts): Promise<Comparison[]> {
  const agentFacts = agentFactsById(data.run.agents)
  const comparisons: Comparison[] = []
  for (const group of groupOutcomes(cellOutcomes(data))) {
    try {
      comparisons.push(await compareGroup(group, data, agentFacts, artifacts))
    } catch (error) {
      comparisons.push(classesAlone(group, messageOf(error)))
    }
  }
  return comparisons
}

/** The row of a comparison that failed: what follows from the traces' digests, and why there is no more. */
function classesAlone(group: Group, failure: string): Comparison {
  const found = classify(group.outcomes)
  return {
    ...rowOf(group, found),
    nondeterministic: found.nondeterministic.map(({ outcome, byTrace }) => ({
      cell: outcome.cell.id,
      executions: outcome.completed.length,
      distinct: byTrace.length,
      first: null,
      divergence: null,
    })),
    inputsEqual: true,
    divergences: [],
    explanations: [],
    notes: [`only the classes are known, the comparison failed: ${failure}`],
  }
}

type Row = Omit<Comparison, 'nondeterministic' | 'inputsEqual' | 'divergences' | 'explanations'>

/** What follows from the traces' digests alone. */
function rowOf(group: Group, found: Classes): Row {
  return {
    workload: group.workload,
    workloadVersion: group.workloadVersion,
    params: { ...group.params },
    seed: group.seed,
    verdict: verdictOf(found),
    classes: found.classes.map(({ letter, trace, members }) => ({ letter, trace, cells: members.map(idOf) })),
    incomplete: found.incomplete.map(idOf),
    unsupported: found.unsupported.map(idOf),
    selfConsistency:
      found.leastExecutions === null
        ? null
        : { executions: found.leastExecutions, otherOutcomesBelow: otherOutcomesBelow(found.leastExecutions) },
  }
}

async function compareGroup(
  group: Group,
  data: RunData,
  agentFacts: ReadonlyMap<string, Facts>,
  artifacts: Artifacts,
): Promise<Comparison> {
  const found = classify(group.outcomes)
  const notes: string[] = []
  const { divergences, inputsEqual, inputs } = await compareClasses(
    found.classes,
    inputPositions(group, data),
    artifacts,
    notes,
  )
  const reference = await measureReference(found.classes, describe(group)?.correctlyRounded, artifacts, notes)
  return {
    ...rowOf(group, found),
    nondeterministic: await compareWithThemselves(found.nondeterministic, artifacts, notes),
    inputsEqual,
    ...(inputs.length > 0 && inputsEqual ? { inputs } : {}),
    ...(reference === undefined || !inputsEqual ? {} : { reference }),
    divergences,
    ...explain(found.classes, agentFacts, notes),
    ...(notes.length > 0 ? { notes } : {}),
  }
}

function idOf({ cell }: CellOutcome): string {
  return cell.id
}

/** The first that holds, in the order of FORMATS. */
function verdictOf({ classes, nondeterministic, incomplete }: Classes): Verdict {
  if (nondeterministic.length > 0) return 'nondeterministic'
  if (classes.length > 1) return 'divergent'
  return incomplete.length > 0 ? 'incomplete' : 'identical'
}

async function compareClasses(
  classes: readonly TraceClass[],
  inputs: readonly number[],
  artifacts: Artifacts,
  notes: string[],
): Promise<{ divergences: Divergence[]; inputsEqual: boolean; inputs: string[] }> {
  if (classes.length < 2) return { divergences: [], inputsEqual: true, inputs: [] }
  const sides: Side[] = []
  for (const { letter, trace: digest, members } of classes) {
    const trace = await readTrace(digest, artifacts)
    const [first] = members as [CellOutcome]
    const [execution] = first.completed as [CompletedExecution]
    if (typeof trace === 'string') notes.push(`class ${letter} is not located among the others: ${trace}`)
    else sides.push({ cell: first.cell.id, name: letter, trace, outputs: execution.execution.outputs })
  }
  const divergences: Divergence[] = []
  for (const branch of prefixTreeBranches(sides.map(({ trace }) => trace))) {
    const [a, b] = [sides[branch.a] as Side, sides[branch.b] as Side]
    const read = createTensorReader(artifacts, [...a.outputs, ...b.outputs])
    divergences.push(
      await measureDivergence(a, b, branch, read, divergences.length < maxGrown ? growthLimits : undefined),
    )
  }
  const arraysAt = (position: number) =>
    sides.map(({ trace }) => {
      const place = trace.checkpoints[position]
      return place && arrayKey(place)
    })
  return {
    divergences,
    inputsEqual: inputs.every((position) => new Set(arraysAt(position)).size < 2),
    inputs: [...new Set(inputs.flatMap((position) => sides[0]?.trace.checkpoints[position]?.name ?? []))],
  }
}

/** The trace behind a digest, or why it cannot be used: what was stored is digested again. */
async function readTrace(digest: string, artifacts: Artifacts): Promise<Trace | string> {
  const text = await artifacts.trace(digest)
  if (text === undefined) return `the trace ${digest} was not kept`
  try {
    const trace = parseTrace(text)
    return trace.digest === digest ? trace : `what is kept as trace ${digest} has the digest ${trace.digest}`
  } catch (error) {
    return `what is kept as trace ${digest} is none: ${messageOf(error)}`
  }
}

/** Nothing where this coordinator has no such workload at this version. */
function describe({ workload, workloadVersion }: Group) {
  const description = findDescription(workload)
  return description?.version === workloadVersion ? description : undefined
}

/**
 * Places of the workload's inputs in its checkpoint schema. None where this coordinator has no such workload at this
 * version, or cannot read its parameters, as in a run made by another release; or where that workload has no schema.
 */
function inputPositions(group: Group, { run }: RunData): number[] {
  const description = describe(group)
  const parsed = description?.params.safeParse(group.params)
  if (!description?.schema || !parsed?.success) return []
  const shapes = new Map(run.inputs.map(({ digest, dtype, shape }) => [digest, { dtype, shape }]))
  try {
    return description.schema(parsed.data, shapes).flatMap(({ role }, position) => (role === 'input' ? [position] : []))
  } catch {
    return []
  }
}

async function compareWithThemselves(
  found: Classes['nondeterministic'],
  artifacts: Artifacts,
  notes: string[],
): Promise<Comparison['nondeterministic']> {
  const disagreements: Comparison['nondeterministic'] = []
  for (const { outcome, byTrace } of found) {
    const sides: Side[] = []
    for (const [{ repetition, trace: digest, execution }] of byTrace.slice(0, selfLimits.traces) as [
      CompletedExecution,
    ][]) {
      const trace = await readTrace(digest, artifacts)
      if (typeof trace === 'string') notes.push(`${outcome.cell.id} is not compared with all its results: ${trace}`)
      else sides.push({ cell: outcome.cell.id, name: `#${repetition}`, trace, outputs: execution.outputs })
    }
    const limits = disagreements.length < maxGrown ? growthLimits : undefined
    const [a, b] = sides
    const read = createTensorReader(
      artifacts,
      sides.flatMap(({ outputs }) => outputs),
    )
    const traces = sides.map(({ trace }) => trace)
    disagreements.push({
      cell: outcome.cell.id,
      executions: outcome.completed.length,
      distinct: byTrace.length,
      first: a && b ? await locateSelfDifference(traces, read, selfLimits) : null,
      divergence: a && b ? await measureDivergence(a, b, firstDivergence(a.trace, b.trace), read, limits) : null,
    })
  }
  return disagreements
}

function explain(
  classes: readonly TraceClass[],
  agentFacts: ReadonlyMap<string, Facts>,
  notes: string[],
): Pick<Comparison, 'explanations' | 'unexplained'> {
  if (classes.length < 2) return { explanations: [] }
  const units = classes.flatMap(({ letter, members }) =>
    members.map((outcome) => {
      const { cell, version, effective } = outcome
      const condition = { ...cell.condition, version, effective }
      return {
        id: cell.id,
        class: letter,
        facts: unitFacts(agentFacts.get(cell.agent) ?? {}, { ...outcome, condition }),
      }
    }),
  )
  const found = minimalFacts(units)
  if (found.bounded !== undefined) notes.push(`explanations: ${found.bounded}`)
  return {
    explanations: found.explanations.map(({ facts, inseparable, ...set }): Explanation => {
      const values = classes.map(({ letter }) => [letter, distinctValues(units, letter, facts)] as const)
      return {
        ...set,
        facts: [...facts],
        inseparable: Object.fromEntries(Object.entries(inseparable).map(([name, others]) => [name, [...others]])),
        values: Object.fromEntries(values),
      }
    }),
    ...(found.unexplained === undefined ? {} : { unexplained: found.unexplained }),
  }
}

/** The combinations of values that the members of a class have; a fact that one lacks is left out of its own. */
function distinctValues(
  units: readonly { readonly class: string; readonly facts: Facts }[],
  letter: string,
  names: readonly string[],
): Record<string, string>[] {
  const distinct = new Map<string, Record<string, string>>()
  for (const unit of units) {
    if (unit.class !== letter) continue
    const values: Record<string, string> = {}
    for (const name of names) {
      const value = unit.facts[name]
      if (value !== undefined) values[name] = value
    }
    distinct.set(JSON.stringify(values), values)
  }
  return [...distinct.values()]
}
