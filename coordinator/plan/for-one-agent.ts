import { dirname, resolve } from 'node:path'
import type { CellRecord } from '../../shared/cell.ts'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { AgentRecord, JobInput } from '../../shared/messages.ts'
import { expandPlan } from './expand.ts'
import { collectInputs, pinArrays } from './inputs.ts'
import { parsePlan } from './parse.ts'
import { planName, readPlanText } from './read-plan-text.ts'

/** A plan as one agent alone is to run it. */
export interface OneAgentPlan {
  readonly name: string
  readonly planText: string
  readonly planNotes: readonly string[]
  readonly inputs: JobInput[]
  readonly payloads: ReadonlyMap<Digest, Uint8Array>
  readonly cells: readonly CellRecord[]
}

/**
 * Reads a plan file and its arrays, and gives what expands it for an agent that has no coordinator.
 *
 * @throws `not-found`, and as `parsePlan`, `collectInputs` and `expandPlan` do; `usage` where the plan is for others
 */
export async function readPlanForAgent(planPath: string): Promise<(agent: AgentRecord) => OneAgentPlan> {
  const path = resolve(planPath)
  const planText = await readPlanText(planPath)
  const written = parsePlan(planText, planName(planPath))
  const collected = await collectInputs(written, dirname(path))
  const { plan, inputs } = pinArrays(written, collected.inputs)
  const { payloads } = collected
  return (agent) => {
    const missing = Object.entries(plan.agents).filter(([key, value]) => agent.labels[key] !== value)
    if (missing.length > 0) {
      const labels = missing.map(([key, value]) => `--label ${key}=${value}`).join(' ')
      throw new BitfleetError(
        'usage',
        `${planPath} is for agents with other labels; if it is meant here, add ${labels}`,
      )
    }
    // A bundle is carried to where those of other machines are.
    const { cells, notes } = expandPlan(plan, [agent], true)
    return { name: plan.name, planText, planNotes: notes, cells, inputs, payloads }
  }
}
