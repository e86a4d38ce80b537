import { canonicalJson } from '../../shared/canonical-json.ts'
import { cellId } from '../../shared/cell.ts'
import type { RequestedCondition } from '../../shared/condition.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import type { CellRecord } from '../records.ts'
import { createKnownBackends } from './check-knobs.ts'
import { expandConditions, maxCells } from './conditions.ts'
import { defaultRepetitions, mostDefaultRepetitions } from './default-repetitions.ts'
import type { Factors, Plan, PlannedWorkload } from './plan.ts'

/** A cell whose repetitions may still depend on the whole plan. */
type DraftCell = Omit<CellRecord, 'repetitions'> & { readonly repetitions: number | undefined }

/**
 * Every workload × seed × condition × agent of a plan, in the plan's order. A factor applies to a backend where it
 * sets one of that backend's knobs; conditions that come out equal are one.
 *
 * @param joined the results will be joined with those of other machines, which are not among the agents
 * @returns cells, and what a reader of the report must know of how the plan was read
 * @throws `usage` for a backend, knob or value that does not exist; `unavailable` if no agent has the labels
 */
export function expandPlan(
  plan: Plan,
  agents: readonly AgentRecord[],
  joined = false,
): { cells: CellRecord[]; notes: string[] } {
  const chosen = chooseAgents(plan, agents)
  const described = chosen.flatMap(({ backends }) => backends)
  const notes = new Set<string>()
  const known = createKnownBackends(described, plan.workloads.flatMap(programOf), notes)
  const drafts = new Map<string, DraftCell>()
  const conditionsOf = createConditionsOf((factors) => expandConditions(factors, known, notes))
  let position = 0
  let planned = 0
  for (const workload of plan.workloads) {
    const conditions = conditionsOf(workload.factors)
    // Those that stand in the plan before are counted too: they take as long to find.
    planned += workload.seeds.length * conditions.length * chosen.length
    if (planned > maxCells) {
      throw new BitfleetError('usage', `${plan.name}: more than ${maxCells} cells; split the plan`)
    }
    for (const seed of workload.seeds) {
      for (const condition of conditions) {
        position++
        for (const agent of chosen) {
          const draft = draftCell(workload, seed, condition, agent, position)
          const same = drafts.get(draft.id)
          drafts.set(draft.id, same ? merged(same, draft) : draft)
        }
      }
    }
    if (workload.repetitions === 1) {
      notes.add(`${workload.id} runs once a cell: one execution cannot show whether a cell agrees with itself`)
    }
  }
  const cells = withRepetitions([...drafts.values()], chosen, joined, notes)
  if (!joined) noteWhatIsAlone(plan, cells, notes)
  return { cells, notes: [...notes] }
}

/** Entries without factors of their own share the plan's, which are expanded once. */
function createConditionsOf(expand: (factors: Factors) => RequestedCondition[]) {
  const expanded = new Map<Factors, RequestedCondition[]>()
  return (factors: Factors): RequestedCondition[] => {
    const conditions = expanded.get(factors) ?? expand(factors)
    expanded.set(factors, conditions)
    return conditions
  }
}

/** Fills in what the plan leaves out: it depends on all cells together. */
function withRepetitions(
  drafts: readonly DraftCell[],
  agents: readonly AgentRecord[],
  joined: boolean,
  notes: Set<string>,
): CellRecord[] {
  const emulators = new Map(
    agents.flatMap(({ id, backends }) => backends.map((one) => [canonicalJson([id, one.id]), one.emulator] as const)),
  )
  const counted = drafts.map((draft) => ({
    ...draft,
    emulator: emulators.get(canonicalJson([draft.agent, draft.condition.backend])),
  }))
  const { repetitions: otherwise, needed } = defaultRepetitions(counted, joined)
  if (needed > otherwise && drafts.some(({ repetitions }) => repetitions === undefined)) {
    notes.add(
      `each cell runs ${mostDefaultRepetitions} times, since the plan does not say how often; ` +
        `its claims about settings need ${needed} executions: add \`repetitions: ${needed}\``,
    )
  }
  return drafts.map(({ repetitions = otherwise, ...draft }) => ({ ...draft, repetitions }))
}

/**
 * Seeds make rows, and only the cells of one row are compared: a row of one cell shows nothing, unless the plan says
 * what its executions should do.
 */
function noteWhatIsAlone({ workloads }: Plan, cells: readonly CellRecord[], notes: Set<string>): void {
  const rowOf = (id: string, params: CellRecord['params']) => canonicalJson([id, params])
  const sizes = new Map<string, number>()
  const largest = new Map<string, number>()
  for (const { workload, params, seed } of cells) {
    const row = rowOf(workload, params)
    const size = (sizes.get(`${row} ${seed}`) ?? 0) + 1
    sizes.set(`${row} ${seed}`, size)
    largest.set(row, Math.max(size, largest.get(row) ?? 0))
  }
  const expected = new Set(workloads.filter(({ expect }) => expect).map(({ id, params }) => rowOf(id, params)))
  const alone = workloads.filter(({ id, params }) => {
    const row = rowOf(id, params)
    return largest.get(row) === 1 && !expected.has(row)
  })
  const [first] = alone
  if (!first) return
  const more = alone.length - 1
  const others = more === 0 ? '' : more === 1 ? ', as has another entry' : `, as have ${more} other entries`
  notes.add(
    `${first.at}: ${first.id} has one cell for each seed${others}, so nothing is compared: ` +
      'add a second condition or a second agent',
  )
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

function draftCell(
  workload: PlannedWorkload,
  seed: string,
  condition: RequestedCondition,
  agent: AgentRecord,
  position: number,
): DraftCell {
  const workloadVersion = findDescription(workload.id)?.version ?? 0
  const key = { agent: agent.id, workload: workload.id, workloadVersion, params: workload.params, seed, condition }
  return { ...key, id: cellId(key), position, repetitions: workload.repetitions, limits: workload.limits }
}

/** Of a cell that stands in the plan twice: the first place, and the limits of the entry with more repetitions. */
function merged(first: DraftCell, second: DraftCell): DraftCell {
  // What an entry says counts against what another leaves out.
  const more = (second.repetitions ?? 0) > (first.repetitions ?? 0) ? second : first
  return { ...more, position: first.position }
}
