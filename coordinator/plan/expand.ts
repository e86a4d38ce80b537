import type { BackendDescription, KnobDescription } from '../../shared/backend-description.ts'
import { backendName, publicBackendNames } from '../../shared/backend-description.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { cellId } from '../../shared/cell.ts'
import type { Knobs, KnobValue, RequestedCondition } from '../../shared/condition.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import type { CellRecord } from '../records.ts'
import { nearest } from '../../shared/nearest.ts'
import type { Factor, Factors, Plan, PlannedWorkload } from './plan.ts'
import { takesValue } from './takes-value.ts'

const maxCells = 100_000

/**
 * Every workload × seed × condition × agent of a plan, in the plan's order. A factor applies to a backend where it
 * sets one of that backend's knobs; conditions that come out equal are one.
 *
 * @returns cells, and what a reader of the report must know of how the plan was read
 * @throws `usage` for a backend, knob or value that no agent knows; `unavailable` if no agent has the labels
 */
export function expandPlan(plan: Plan, agents: readonly AgentRecord[]): { cells: CellRecord[]; notes: string[] } {
  const chosen = chooseAgents(plan, agents)
  const programs = plan.workloads.flatMap(programOf)
  const notes = new Set<string>()
  const cells = new Map<string, CellRecord>()
  let position = 0
  for (const workload of plan.workloads) {
    const conditions = expandConditions(workload.factors, chosen, notes, programs)
    for (const seed of workload.seeds) {
      for (const condition of conditions) {
        position++
        for (const agent of chosen) {
          const cell = createCell(workload, seed, condition, agent, position)
          const same = cells.get(cell.id)
          if (!same || same.repetitions < cell.repetitions)
            cells.set(cell.id, { ...cell, position: same?.position ?? position })
          if (cells.size > maxCells) {
            throw new BitfleetError('usage', `${plan.name}: more than ${maxCells} cells; split the plan`)
          }
        }
      }
    }
    if (workload.repetitions === 1) {
      notes.add(`${workload.id} runs once a cell: one execution cannot show whether a cell agrees with itself`)
    }
  }
  return { cells: [...cells.values()], notes: [...notes] }
}

/** The program that a workload of `program` names: a backend that an agent may lack. */
function programOf({ id, params }: PlannedWorkload): string[] {
  return id === 'program' && typeof params.name === 'string' ? [params.name] : []
}

function chooseAgents(plan: Plan, agents: readonly AgentRecord[]): AgentRecord[] {
  const wanted = Object.entries(plan.agents)
  const chosen = agents
    .filter((agent) => wanted.every(([key, value]) => hasLabel(agent, key, value)))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  if (chosen.length === 0) {
    const labels = wanted.map(([key, value]) => `${key}=${value}`).join(', ')
    throw new BitfleetError(
      'unavailable',
      agents.length === 0
        ? 'no agent is connected; start one with `bitfleet agent start`'
        : `none of the ${agents.length} connected agents has the labels ${labels}`,
    )
  }
  return chosen
}

/** A label's value may be a list with commas between: an agent may be in several groups. */
function hasLabel({ labels }: AgentRecord, key: string, value: string): boolean {
  const own = Object.hasOwn(labels, key) ? labels[key] : undefined
  return own === value || (own?.split(',').some((part) => part.trim() === value) ?? false)
}

function createCell(
  workload: PlannedWorkload,
  seed: string,
  condition: RequestedCondition,
  agent: AgentRecord,
  position: number,
): CellRecord {
  const workloadVersion = findDescription(workload.id)?.version ?? 0
  const key = { agent: agent.id, workload: workload.id, workloadVersion, params: workload.params, seed, condition }
  return {
    ...key,
    id: cellId(key),
    position,
    repetitions: workload.repetitions ?? defaultRepetitions(condition.knobs),
    limits: workload.limits,
  }
}

/** Two executions are the least that can disagree; where threads race, two would mostly miss it. */
function defaultRepetitions(knobs: Knobs): number {
  const races = Object.entries(knobs).some(
    ([name, value]) => (/threads$/i.test(name) && Number(value) > 1) || String(value).startsWith('atomic:'),
  )
  return races ? 10 : 2
}

/**
 * The distinct conditions of some factors: backends in order, and for each the product of what applies to it.
 *
 * @param programs that the plan names
 */
export function expandConditions(
  factors: Factors,
  agents: readonly AgentRecord[],
  notes: Set<string>,
  programs: readonly string[] = [],
): RequestedCondition[] {
  const conditions = new Map<string, RequestedCondition>()
  const applied = new Set<Factor>()
  for (const backend of factors.backends) {
    const described = describe(backend, factors, agents, notes, programs)
    const exists = existsIn(backend, described, agents, notes)
    let knobSets: Knobs[] = [{}]
    for (const factor of factors.others) {
      const levels = factor.levels.map((level) => knobsOf(backend, level, exists))
      if (levels.every((level) => Object.keys(level).length === 0)) continue
      applied.add(factor)
      for (const level of levels) checkKnobs(backend, described, level, factor, notes)
      knobSets = knobSets.flatMap((knobs) => levels.map((level) => merge(knobs, level, backend, factor)))
    }
    for (const knobs of knobSets) {
      const condition = { backend, device: 'cpu', knobs: { ...knobs } }
      conditions.set(canonicalJson(condition), condition)
    }
  }
  for (const factor of factors.others) {
    if (!applied.has(factor)) notes.add(`${factor.at}: factor "${factor.name}" sets no knob of any backend in the plan`)
  }
  return [...conditions.values()]
}

/**
 * The knobs of a level that belong to a backend, by their bare names. What is said of `tensorflow` is said of each of
 * its versions that has it; what is said of `tensorflow@2.21.0` is said of that one alone, and there goes before.
 */
function knobsOf(
  backend: string,
  level: Readonly<Record<string, KnobValue>>,
  exists: (knob: string) => boolean,
): Knobs {
  const saidOf = (owner: string) =>
    Object.entries(level).flatMap(([name, value]) => {
      // Versions have dots, knobs have none.
      const dot = name.lastIndexOf('.')
      return name.slice(0, dot) === owner ? [[name.slice(dot + 1), value] as const] : []
    })
  const ofAll = saidOf(backendName(backend))
  if (backend === backendName(backend)) return Object.fromEntries(ofAll)
  return Object.fromEntries([...ofAll.filter(([knob]) => exists(knob)), ...saidOf(backend)])
}

/** Tells whether a knob that was said of all versions exists in this one; where it does not, that is noted. */
function existsIn(
  backend: string,
  described: readonly BackendDescription[],
  agents: readonly AgentRecord[],
  notes: Set<string>,
): (knob: string) => boolean {
  const name = backendName(backend)
  const has = (all: readonly BackendDescription[], knob: string) =>
    all.some(({ knobs }) => knobs.some((candidate) => candidate.name === knob))
  const versions = agents.flatMap(({ backends }) => backends).filter(({ id }) => backendName(id) === name)
  return (knob) => {
    // What no version has is a mistake, which is for whoever checks the knobs to say.
    if (described.length === 0 || has(described, knob) || !has(versions, knob)) return true
    notes.add(`${backend} has no knob ${knob}: ${name}.${knob} applies to other versions alone`)
    return false
  }
}

function merge(knobs: Knobs, level: Knobs, backend: string, factor: Factor): Knobs {
  for (const name of Object.keys(level)) {
    if (name in knobs) {
      throw new BitfleetError('usage', `${factor.at}: ${backendName(backend)}.${name} is set by two factors; keep one`)
    }
  }
  return { ...knobs, ...level }
}

/**
 * What the fleet says of a backend; nothing for a name that is known where nobody there has it. Other versions do not
 * speak for it: knobs come and go.
 */
function describe(
  backend: string,
  factors: Factors,
  agents: readonly AgentRecord[],
  notes: Set<string>,
  programs: readonly string[],
): BackendDescription[] {
  const all = agents.flatMap((agent) => agent.backends)
  const there = all.filter(({ id }) => id === backend)
  // An installation that cannot say what it is says nothing of its knobs.
  const described = there.filter(({ status, knobs }) => status === 'ready' || knobs.length > 0)
  if (described.length > 0) return described
  const base = backendName(backend)
  const known = [...new Set([...publicBackendNames, ...all.map(({ id }) => backendName(id)), ...programs])]
  if (!known.includes(base)) {
    throw new BitfleetError(
      'usage',
      `${factors.at}: there is no backend "${backend}"${nearest(base, known)}; the agents here have ${[...new Set(all.map(({ id }) => id))].join(', ')}`,
    )
  }
  notes.add(
    there.length > 0
      ? `the backend ${backend} runs on no agent of this run: its cells are unsupported`
      : `no agent of this run has the backend ${backend}: its cells are unsupported`,
  )
  return []
}

function checkKnobs(
  backend: string,
  described: readonly BackendDescription[],
  knobs: Knobs,
  factor: Factor,
  notes: Set<string>,
): void {
  for (const [name, value] of Object.entries(knobs)) {
    const knob = described.flatMap((description) => description.knobs).find((candidate) => candidate.name === name)
    if (knob) checkValue(backend, knob, value, factor)
    else if (described.length === 0)
      notes.add(`${factor.at}: ${backend}.${name} could not be checked: no agent has ${backend}`)
    else {
      const names = [
        ...new Set(described.flatMap((description) => description.knobs.map((candidate) => candidate.name))),
      ]
      const has = names.length > 0 ? `its knobs are ${names.join(', ')}` : 'it has no knobs'
      throw new BitfleetError('usage', `${factor.at}: ${backend} has no knob "${name}"${nearest(name, names)}; ${has}`)
    }
  }
}

function checkValue(backend: string, knob: KnobDescription, value: KnobValue, factor: Factor): void {
  if (takesValue(knob.pattern, String(value))) return
  throw new BitfleetError('usage', `${factor.at}: ${backend}.${knob.name} takes no "${value}"; it takes ${knob.values}`)
}
