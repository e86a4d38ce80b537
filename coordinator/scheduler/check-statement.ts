import { canonicalJson } from '../../shared/canonical-json.ts'
import { digestOf } from '../../shared/digest.ts'
import { isSignedBy } from '../../shared/envelope.ts'
import type { ResultStatement, SignedResult } from '../../shared/signed-result.ts'
import { digestOfLines } from '../../shared/trace.ts'
import type { RegisteredAgent } from '../enrolment/index.ts'
import type { SentResult } from './agent-session.ts'

/**
 * Why a result is not the agent's own answer to the job it was given, or undefined where it is. What the execution in
 * it claims is judged by `checkResult`.
 *
 * @param expected the nonce that this attempt at the job was given
 */
export function refusalOfStatement(
  { statement, signature }: SignedResult,
  sent: Pick<SentResult, 'job' | 'attempt' | 'said' | 'body'>,
  agent: RegisteredAgent,
  expected: string,
): string | undefined {
  if (!isSignedBy(agent.key, 'bitfleet/result@1', statement, signature)) return "its signature is not the agent's"
  if (statement.agent !== agent.id) return `it is signed for agent ${statement.agent}`
  if (statement.job !== sent.job || statement.attempt !== sent.attempt) {
    return `it is signed for attempt ${statement.attempt} of job ${statement.job}`
  }
  if (statement.nonce !== expected) return 'its nonce is not the one that this attempt was given'
  if (!agent.inventories.has(statement.inventory)) {
    return `it was made under an inventory, ${statement.inventory}, that the agent never showed`
  }
  const actual = digestOfExecution(sent.said)
  if (statement.execution !== actual) {
    return `it is signed for an execution of digest ${statement.execution}, the one that came has ${actual}`
  }
  // What was changed on its way is nobody's bits, and is asked for again.
  if (statement.trace !== undefined && sent.body !== undefined) {
    const lines = digestOfLines(sent.body)
    if (lines !== statement.trace)
      return `it is signed for the trace ${statement.trace}, the lines that came have ${lines}`
  }
  return undefined
}

function digestOfExecution(execution: unknown): ResultStatement['execution'] | 'none' {
  try {
    return digestOf(canonicalJson(execution))
  } catch {
    return 'none'
  }
}
