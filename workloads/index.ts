import { createRegistry } from '../shared/registry.ts'
import { dot } from './reductions/dot.ts'
import { norm2 } from './reductions/norm2.ts'
import { sum } from './reductions/sum.ts'
import type { Workload } from './workload.ts'

/** Every workload there is; adding one is a file and a line here. */
export const workloads: Workload[] = createRegistry<Workload>('workload', [
  sum,
  dot,
  norm2,
])

const byId = new Map(workloads.map((workload) => [workload.id, workload]))

export function findWorkload(id: string): Workload | undefined {
  return byId.get(id)
}
