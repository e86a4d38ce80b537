import { createRegistry } from '../shared/registry.ts'
import { elementary } from './elementary/elementary.ts'
import { gemm } from './linear-algebra/gemm.ts'
import { gemv } from './linear-algebra/gemv.ts'
import { conv2d } from './neural/conv2d.ts'
import { layernorm } from './neural/layernorm.ts'
import { softmax } from './neural/softmax.ts'
import { dot } from './reductions/dot.ts'
import { norm2 } from './reductions/norm2.ts'
import { sum } from './reductions/sum.ts'
import { cnn } from './training/cnn.ts'
import { mlpReference } from './training/mlp-reference.ts'
import { mlp } from './training/mlp.ts'
import { program } from './program.ts'
import type { Workload } from './workload.ts'

/** Every workload there is; adding one is a file and a line here. */
export const workloads: Workload[] = createRegistry<Workload>('workload', [
  sum,
  dot,
  norm2,
  gemv,
  gemm,
  ...elementary,
  softmax,
  layernorm,
  conv2d,
  mlp,
  cnn,
  mlpReference,
  program,
])

const byId = new Map(workloads.map((workload) => [workload.id, workload]))

export function findWorkload(id: string): Workload | undefined {
  return byId.get(id)
}
