import { canonicalJson } from '../../shared/canonical-json.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { signPayload } from '../../shared/envelope.ts'
import type { KeyPair } from '../../shared/keys.ts'
import type { Job } from '../../shared/messages.ts'
import type { ResultStatement, SignedResult } from '../../shared/signed-result.ts'
import type { ExecutionResult } from './execution.ts'

/** What the agent says of a result (`bitfleet/result@1`), with its signature. */
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
