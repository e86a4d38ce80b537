import { messageOf } from '../../shared/errors.ts'
import type { Facts } from '../../shared/facts.ts'
import type { JobInput } from '../../shared/messages.ts'
import { parseTrace, type Trace } from '../../shared/trace.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import { noChance } from '../explain/chance.ts'
import { minimalFacts } from '../explain/minimal-facts.ts'
import { agentFactsById, plannedFacts, unitFacts } from '../explain/unit-facts.ts'
import { findSilence, type Silence } from '../findings/silence.ts'
import { ruleOf } from '../plan/row-rules.ts'
import type { Artifacts, RunData } from '../records.ts'
import type { Comparison, Divergence, Explanation } from '../report/format.ts'
import { type CellOutcome, type CompletedExecution, cellOutcomes } from './cells.ts'
import { type Classes, classify, type Group, groupOutcomes, type TraceClass } from './classes.ts'
import { measureDivergence, type Side } from './divergence.ts'
import type { GrowthLimits } from './growth.ts'
import { compareInputs, type InputPlace, inputPositions, type InputSide } from './input-places.ts'
import { firstDivergence, prefixTreeBranches } from './prefix-tree.ts'
import { measureReference } from './reference.ts'
import { rowVerdict } from './row-verdict.ts'
import { otherOutcomesBelow } from './self.ts'
import { locateSelfDifference, type SelfLimits } from './self-difference.ts'
import { createTensorReader } from './tensor-reader.ts'

const growthLimits: GrowthLimits = { names: 12, points: 256, bytes: 64 << 20 }
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
  const outcomes = cellOutcomes(data)
  const silence = silenceOf(outcomes)
  for (const group of groupOutcomes(outcomes)) {
    try {
      comparisons.push(await compareGroup(group, data, { agentFacts, silence }, artifacts))
    } catch (error) {
      comparisons.push(classesAlone(group, data.run, messageOf(error)))
    }
  }
  return comparisons
}

/** What explanations are made from: facts, and which cells may serve as evidence. */
interface Evidence {
  readonly agentFacts: ReadonlyMap<string, Facts>
  readonly silence: Silence
}

function silenceOf(outcomes: readonly CellOutcome[]): Silence {
  return findSilence(
    outcomes.map(({ cell, completed }) => ({
      id: cell.id,
      agent: cell.agent,
      workload: `${cell.workload}@${cell.workloadVersion}`,
      condition: cell.condition,
      traces: completed.map(({ trace }) => trace),
    })),
  )
}

/** The row of a comparison that failed: what follows from the traces' digests, and why there is no more. */
function classesAlone(group: Group, run: RunData['run'], failure: string): Comparison {
  const found = classify(group.outcomes)
  return {
    ...rowOf(group, found, run),
    nondeterministic: found.nondeterministic.map(({ outcome, byTrace }) => ({
      cell: outcome.cell.id,
      executions: outcome.completed.length,
      distinct: byTrace.length,
      first: null,
      missing: 'the comparison failed',
      divergence: null,
    })),
    inputsEqual: null,
    divergences: [],
    explanations: [],
    notes: [`only the classes are known, the comparison failed: ${failure}`],
  }
}

type Row = Omit<Comparison, 'nondeterministic' | 'inputsEqual' | 'divergences' | 'explanations'>

/** What follows from the traces' digests alone. */
function rowOf(group: Group, found: Classes, run: RunData['run']): Row {
  return {
    workload: group.workload,
    workloadVersion: group.workloadVersion,
    params: { ...group.params },
    seed: group.seed,
    verdict: rowVerdict(found, ruleOf(run, group).absent === 'allow'),
    classes: found.classes.map(({ letter, trace, members }) => ({ letter, trace, cells: members.map(idOf) })),
    incomplete: found.incomplete.map(idOf),
    absent: found.absent.map(idOf),
    inapplicable: found.inapplicable.map(idOf),
    compared: found.compared.map(idOf),
    selfConsistency:
      found.leastExecutions === null
        ? null
        : { executions: found.leastExecutions, otherOutcomesBelow: otherOutcomesBelow(found.leastExecutions) },
  }
}

async function compareGroup(
  group: Group,
  data: RunData,
  evidence: Evidence,
  artifacts: Artifacts,
): Promise<Comparison> {
  const found = classify(group.outcomes)
  const notes: string[] = []
  const { divergences, inputsEqual, inputs } = await compareClasses(
    found.classes,
    group,
    data.run.inputs,
    artifacts,
    notes,
  )
  const reference = await measureReference(found.classes, describe(group)?.correctlyRounded, artifacts, notes)
  return {
    ...rowOf(group, found, data.run),
    nondeterministic: await compareWithThemselves(found.nondeterministic, artifacts, notes),
    inputsEqual,
    inputs,
    reference: inputsEqual === false ? undefined : reference,
    divergences,
    ...explain(found.classes, evidence, notes),
    ...(notes.length > 0 ? { notes } : {}),
  }
}

function idOf({ cell }: CellOutcome): string {
  return cell.id
}

/** A class's trace, and where its inputs are. */
type ClassSide = Side & InputSide

async function compareClasses(
  classes: readonly TraceClass[],
  group: Group,
  brought: readonly JobInput[],
  artifacts: Artifacts,
  notes: string[],
): Promise<Pick<Comparison, 'divergences' | 'inputsEqual' | 'inputs'>> {
  // Without a class there are no results, or none that repeats: nothing shows what the inputs were.
  if (classes.length < 2) return { divergences: [], inputsEqual: classes.length === 0 ? null : true }
  const sides: ClassSide[] = []
  for (const { letter, trace: digest, members } of classes) {
    const trace = await readTrace(digest, artifacts)
    const [first] = members as [CellOutcome]
    const executions = members.flatMap(({ completed }) => completed.map(({ execution }) => execution))
    if (typeof trace === 'string') {
      notes.push(`class ${letter} is not located among the others: ${trace}`)
      continue
    }
    const { positions, disputed } = inputPositions(group, brought, executions)
    if (disputed) notes.push(`the executions of class ${letter} do not agree on which checkpoints are inputs`)
    const outputs = executions[0]?.outputs ?? []
    sides.push({ cell: first.cell.id, name: letter, trace, outputs, positions })
  }
  const divergences: Divergence[] = []
  for (const branch of prefixTreeBranches(sides.map(({ trace }) => trace))) {
    const [a, b] = [sides[branch.a] as Side, sides[branch.b] as Side]
    const read = createTensorReader(artifacts, [...a.outputs, ...b.outputs])
    divergences.push(
      await measureDivergence(a, b, branch, read, divergences.length < maxGrown ? growthLimits : undefined),
    )
  }
  const inputs = compareInputs(sides)
  // An input that follows a difference may be computed from it: only one that comes first shows that inputs differ.
  const inputsEqual = sides.length < classes.length ? null : inputs.parting.length === 0
  if (inputs.parting.length > 0) notes.push(`the classes were given other inputs: ${placesText(inputs.parting)}`)
  if (inputs.following.length > 0) {
    notes.push(`inputs differ after the first difference, which may be why: ${placesText(inputs.following)}`)
  }
  const names = inputs.equal ? [...new Set(inputs.places.map(({ name }) => name))] : []
  return { divergences, inputsEqual, inputs: names.length > 0 ? names : undefined }
}

const maxPlaces = 6

function placesText(places: readonly InputPlace[]): string {
  const named = places.slice(0, maxPlaces).map(({ step, name }) => `${name} (step ${step})`)
  return `${named.join(', ')}${places.length > maxPlaces ? ` and ${places.length - maxPlaces} more` : ''}`
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
      ...(a && b ? {} : { missing: 'the traces of its executions were not kept' }),
      divergence: a && b ? await measureDivergence(a, b, firstDivergence(a.trace, b.trace), read, limits) : null,
    })
  }
  return disagreements
}

/** Over the cells that may serve as evidence: a condition that disagrees with itself explains nothing. */
function explain(
  all: readonly TraceClass[],
  { agentFacts, silence }: Evidence,
  notes: string[],
): Pick<Comparison, 'explanations' | 'unexplained'> {
  if (all.length < 2) return { explanations: [] }
  const classes = all.flatMap(({ members, ...found }) => {
    const own = members.filter(({ cell }) => silence.reason(cell.id) === undefined)
    return own.length === 0 ? [] : [{ ...found, members: own }]
  })
  if (classes.length < 2) {
    return { explanations: [], unexplained: 'conditions disagree with themselves, so too few cells are evidence' }
  }
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
  const planned = plannedFacts(classes.flatMap(({ members }) => members.map(({ cell }) => cell.condition)))
  const found = minimalFacts(units, { planned })
  if (found.bounded !== undefined) notes.push(`explanations: ${found.bounded}`)
  return {
    explanations: found.explanations.map(({ facts, inseparable, ...set }): Explanation => {
      const values = classes.map(({ letter }) => [letter, distinctValues(units, letter, facts)] as const)
      return {
        ...set,
        // Cells share machines, so they are not independent: exchanging them shows no chance.
        ...noChance('cells'),
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
