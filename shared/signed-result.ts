import { z } from 'zod'
import { digestSchema, hexDigestSchema } from './execution.ts'
import { signatureSchema } from './envelope.ts'

/** What an agent signs of a result (`bitfleet/result@1`). */
export const resultStatementSchema = z.strictObject({
  agent: z.string(),
  job: z.string(),
  attempt: z.number().int(),
  /** The job's. */
  nonce: z.string(),
  /** Digest of the inventory it was made under. */
  inventory: digestSchema,
  /** Digest of the execution in canonical JSON. */
  execution: digestSchema,
  /** Digest of the trace, bare hex, where the execution completed. */
  trace: hexDigestSchema.optional(),
  /** The tensors that the agent keeps of it, with their lengths in bytes, ordered by digest. */
  artifacts: z.array(z.strictObject({ digest: digestSchema, length: z.number().int().nonnegative() })),
})
export type ResultStatement = z.infer<typeof resultStatementSchema>

/** A result as it is kept: what the agent said, and that it was this agent. */
export const signedResultSchema = z.object({ statement: resultStatementSchema, signature: signatureSchema })
export type SignedResult = Readonly<z.infer<typeof signedResultSchema>>
