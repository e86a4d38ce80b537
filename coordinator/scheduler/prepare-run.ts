import { randomBytes } from 'node:crypto'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { AgentRecord, JobInput } from '../../shared/messages.ts'
import { createTensor } from '../../shared/tensor.ts'
import { expandPlan, parsePlan, pinArrays, type Plan, type PlanArray, rulesOf } from '../plan/index.ts'
import type { RunRecord } from '../records.ts'
import type { Store } from '../store/index.ts'

export interface RunRequest {
  readonly plan: string
  /** For messages about the plan. */
  readonly fileName?: string
  /** In place of the plan's own name. */
  readonly name?: string
  /** Users' arrays that the plan names; their bytes are kept already. */
  readonly inputs: readonly PlanArray[]
}

/**
 * A run of a plan on the agents there are now.
 *
 * @throws `usage` for what is wrong with the plan; `unavailable` where no agent fits; `not-found` for missing bytes
 */
export async function prepareRun(
  { plan: text, fileName, name, inputs: sent }: RunRequest,
  agents: readonly AgentRecord[],
  store: Store,
) {
  const { plan, inputs } = pinArrays(parsePlan(text, fileName), sent)
  await checkPayloads(plan, inputs, store)
  const { cells, notes } = expandPlan(plan, agents)
  const taking = new Set(cells.map(({ agent }) => agent))
  const now = new Date()
  const record: RunRecord = {
    id: runId(now),
    name: name ?? plan.name,
    state: 'running',
    createdAt: now.toISOString(),
    planText: text,
    planDigest: digestOf(text),
    planNotes: notes,
    ...rulesOf(plan),
    inputs,
    agents: agents.filter(({ id }) => taking.has(id)),
  }
  return { record, cells }
}

/** Sorts by time, and is short enough to say. */
function runId(now: Date): string {
  const [day, time] = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T')
  return `${day}-${time}-${randomBytes(3).toString('hex')}`
}

async function checkPayloads(plan: Plan, inputs: readonly JobInput[], store: Store) {
  for (const { digest, dtype, shape } of inputs) {
    const bytes = await store.getObject(digest)
    if (bytes) createTensor(dtype, shape, bytes)
    else {
      const { at, file } = plan.inputs.find((planned) => planned.digest === digest) as Plan['inputs'][number]
      throw new BitfleetError('not-found', `${at}: the bytes of ${file} are not here; upload ${digest} first`)
    }
  }
}
