import { bundleSignatureSchema, manifestProblem } from '../../shared/bundle.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { digestOf } from '../../shared/digest.ts'
import { isSignedBy } from '../../shared/envelope.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Execution } from '../../shared/execution.ts'
import type { SignedResult } from '../../shared/signed-result.ts'
import type { JournalRecord } from './journal.ts'
import type { StoredRecord } from './records.ts'

/** Every key that an agent ever enrolled with, from the journal. */
export interface AgentKeys {
  note(record: JournalRecord): void
  of(agent: string): readonly string[]
}

export function createAgentKeys(): AgentKeys {
  const keys = new Map<string, string[]>()
  return {
    note(record) {
      if (record.kind !== 'agent-enrolled') return
      const known = keys.get(record.agent) ?? []
      if (!known.includes(record.key)) keys.set(record.agent, [...known, record.key])
    },
    of: (agent) => keys.get(agent) ?? [],
  }
}

/**
 * What is wrong with the signature of a record that has one, or undefined. A result that did not hold what it claimed
 * is kept as a failure in place of what was signed; that alone may differ from it.
 */
export function signatureProblem(record: StoredRecord, keys: AgentKeys): string | undefined {
  if (record.record === 'quarantined@1') return problemOf(record.result, keys)
  if (record.record !== 'execution@1') return undefined
  const { signed, attempt, execution } = record.execution
  if (!signed) return undefined
  const problem = problemOf(signed, keys)
  if (problem !== undefined) return problem
  if (signed.statement.attempt !== attempt) return `its signature is for attempt ${signed.statement.attempt}`
  if (digestOf(canonicalJson(execution)) === signed.statement.execution || isRefusal(execution)) return undefined
  return `its signature is for an execution of digest ${signed.statement.execution}`
}

/** What is wrong with the signature of an imported bundle, whose manifest and signature were kept, or undefined. */
export function importProblem(manifest: Uint8Array, signature: Uint8Array, agent: string): string | undefined {
  try {
    const signed = bundleSignatureSchema.parse(JSON.parse(Buffer.from(signature).toString('utf8')))
    if (signed.agent !== agent) return `it is of agent ${signed.agent}, and the journal says ${agent}`
    return manifestProblem(manifest, signed)
  } catch (error) {
    return messageOf(error)
  }
}

function problemOf({ statement, signature }: SignedResult, keys: AgentKeys): string | undefined {
  const known = keys.of(statement.agent)
  if (known.some((key) => isSignedBy(key, 'bitfleet/result@1', statement, signature))) return undefined
  return known.length === 0
    ? `the journal names no key of agent ${statement.agent}, whose result it is`
    : `its signature is of no key of agent ${statement.agent}`
}

function isRefusal({ outcome }: Execution): boolean {
  return outcome.status === 'failed' && ['protocol', 'digest-mismatch', 'refused'].includes(outcome.code)
}
