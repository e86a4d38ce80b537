import { sha256Hex } from '../shared/digest.ts'
import type { Job } from '../shared/messages.ts'
import { bareExecution, type ExecutionResult } from '../agent/daemon/execution.ts'

/** A job as a coordinator gives it, for tests. */
export function sampleJob(id: string, attempt = 1, changes: Record<string, unknown> = {}): Job {
  return {
    ...{ id, attempt, run: 'r', cell: 'c', repetition: 0, workload: 'reduce.sum', workloadVersion: 1 },
    ...{ params: { dtype: 'f32', n: 100 }, seed: '42', condition: { backend: 'js', device: 'cpu', knobs: {} } },
    ...{ agent: 'a-1', nonce: sha256Hex(`${attempt} ${id}`).slice(0, 32), expiresAt: '2100-01-01T00:00:00.000Z' },
    ...{ inputs: [], limits: { timeMs: 1000, memoryBytes: 2 ** 30 } },
    ...changes,
  }
}

/** What an execution may have made, for tests. */
export function sampleResult(trace = '', log = ''): ExecutionResult {
  return {
    execution: { ...bareExecution('native', { status: 'completed' }), trace: 'ab'.repeat(32), log },
    trace,
    kept: [],
  }
}
