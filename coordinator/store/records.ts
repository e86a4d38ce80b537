import { z } from 'zod'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { Execution } from '../../shared/execution.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import type { SignedResult } from '../../shared/signed-result.ts'
import type { CellRecord, ExecutionRecord, RunRecord } from '../records.ts'

/**
 * What the journal names by digest, being too large for a line: canonical JSON, content-addressed, a file each. They
 * stand apart from the objects, so that no bytes somebody sends can pass for one.
 */
export type StoredRecord =
  | { readonly record: 'agent@1'; readonly agent: AgentRecord }
  /** Written before the run that it belongs to. */
  | { readonly record: 'cells@1'; readonly run: string; readonly cells: readonly CellRecord[] }
  | { readonly record: 'run@1'; readonly run: RunRecord; readonly cells: Digest; readonly cellCount: number }
  | {
      readonly record: 'execution@1'
      readonly run: string
      readonly execution: ExecutionRecord
      /** Object digest of the trace's file form. */
      readonly trace?: Digest
    }
  /** A result that is part of no run, as it was sent. */
  | {
      readonly record: 'quarantined@1'
      readonly agent: string
      readonly result: SignedResult
      readonly execution: Execution
    }

export type RecordKind = StoredRecord['record']

const recordKinds: readonly RecordKind[] = ['agent@1', 'cells@1', 'run@1', 'execution@1', 'quarantined@1']

export function formatRecord(record: StoredRecord): string {
  return canonicalJson(record)
}

const headSchema = z.object({ record: z.string() })

/**
 * Reads a record file whose digest was checked: nobody but this coordinator writes them, so what is checked here is
 * only that the kind is known.
 *
 * @throws `format`
 */
export function parseRecord(bytes: Uint8Array): StoredRecord {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
  const kind = headSchema.safeParse(value).data?.record
  if (recordKinds.some((known) => known === kind)) return value as StoredRecord
  throw new BitfleetError('format', `a record of kind "${kind}" is not known; was it written by a newer Bitfleet?`)
}
