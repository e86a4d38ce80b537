import { BitfleetError } from '../../shared/errors.ts'
import type { Execution } from '../../shared/execution.ts'
import type { Trace } from '../../shared/trace.ts'
import type { WorkloadDescription } from '../../workloads/workload.ts'

/**
 * Checks which checkpoints an agent calls inputs. Nobody but the program knows which ones are; that they exist, once
 * each, can be checked.
 *
 * @param description of the workload, if this coordinator has it
 * @throws `protocol` for an input that is not in the trace, for two out of order, and for a workload whose schema
 *   already says what its inputs are
 */
export function checkInputs(
  inputs: Execution['inputs'],
  trace: Trace,
  description: Pick<WorkloadDescription, 'id' | 'schema'> | undefined,
): void {
  if (inputs === undefined) return
  if (description?.schema !== undefined) {
    throw new BitfleetError('protocol', `the execution names its inputs, which the schema of ${description.id} does`)
  }
  const { length } = trace.checkpoints
  let last = -1
  for (const seq of inputs) {
    if (seq >= length) {
      throw new BitfleetError(
        'protocol',
        `checkpoint ${seq} is said to be an input; the trace has ${length} checkpoints`,
      )
    }
    if (seq <= last) {
      throw new BitfleetError('protocol', `the inputs are not in ascending order: ${seq} follows ${last}`)
    }
    last = seq
  }
}
