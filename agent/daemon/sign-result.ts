import { canonicalJson } from '../../shared/canonical-json.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { signPayload } from '../../shared/envelope.ts'
import { messageOf } from '../../shared/errors.ts'
import type { KeyPair } from '../../shared/keys.ts'
import type { Job } from '../../shared/messages.ts'
import type { ResultStatement, SignedResult } from '../../shared/signed-result.ts'
import { bareExecution, type ExecutionResult } from './execution.ts'

/** A result with the agent's signature. One that cannot be said in canonical JSON is signed as a failure that says so. */
export function withSignature(
  job: Parameters<typeof signResult>[0],
  result: ExecutionResult,
  inventory: Digest,
  key: KeyPair,
): ExecutionResult {
  try {
    return { ...result, signed: signResult(job, result, inventory, key) }
  } catch (error) {
    const outcome = { status: 'failed', code: 'protocol', message: messageOf(error), stderr: '' } as const
    const failed: ExecutionResult = { execution: bareExecution(result.execution.label, outcome), kept: [] }
    return { ...failed, signed: signResult(job, failed, inventory, key) }
  }
}

/** What the agent says of a result (`bitfleet/result@1`), with its signature. @throws `format` */
export function signResult(
  { id, attempt, agent, nonce }: Pick<Job, 'id' | 'attempt' | 'agent' | 'nonce'>,
  { execution, kept }: Pick<ExecutionResult, 'execution' | 'kept'>,
  inventory: Digest,
  key: KeyPair,
): SignedResult {
  const statement: ResultStatement = {
    ...{ agent, job: id, attempt, nonce, inventory, execution: digestOf(canonicalJson(execution)) },
    ...(execution.trace === undefined ? {} : { trace: execution.trace }),
    artifacts: [...kept]
      .sort((a, b) => (a.digest < b.digest ? -1 : 1))
      .map(({ digest, length }) => ({ digest, length })),
  }
  return { statement, signature: signPayload('bitfleet/result@1', statement, key) }
}
