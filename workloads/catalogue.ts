import { workloads } from './index.ts'
import type { WorkloadDescription } from './workload.ts'

export { type Source, sources } from './sources.ts'
export type { ReferenceCondition } from './workload.ts'

/** What a plan can name: all that the coordinator may know of the workloads. */
export const catalogue: readonly WorkloadDescription[] = workloads

const byId = new Map(catalogue.map((description) => [description.id, description]))

export function findDescription(id: string): WorkloadDescription | undefined {
  return byId.get(id)
}
