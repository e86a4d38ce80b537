import { z } from 'zod'
import { conditionLabels } from './condition.ts'
import { type Digest, digestPattern } from './digest.ts'
import { errorCodes } from './errors.ts'
import { maxPlaces } from './places.ts'
import { dtypes } from './tensor.ts'

export const digestSchema = z.custom<Digest>((value) => typeof value === 'string' && digestPattern.test(value))

export const hexDigestSchema = z.string().regex(/^[0-9a-f]{64}$/)

/** How one execution ended. `unsupported` is a value with a reason, not an error. */
export const outcomeSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('completed') }),
  z.object({ status: z.literal('unsupported'), reason: z.string() }),
  z.object({ status: z.literal('crashed'), signal: z.string(), stderr: z.string() }),
  z.object({ status: z.literal('timed-out'), limitMs: z.number(), stderr: z.string() }),
  z.object({ status: z.literal('failed'), code: z.enum(errorCodes), message: z.string(), stderr: z.string() }),
  z.object({ status: z.literal('cancelled') }),
])
export type Outcome = z.infer<typeof outcomeSchema>

/** Something a reader of the report must know: a knob that did nothing, a fallback, a bound that was hit. */
export const noteSchema = z.object({
  kind: z.enum(['no-effect', 'fallback', 'limit', 'warning']),
  /** The knob, library or device it is about. */
  subject: z.string(),
  message: z.string(),
})
export type Note = z.infer<typeof noteSchema>

/** A final tensor; `bits` (big-endian hex of each element) where there are at most 16 elements. */
export const outputSchema = z.object({
  name: z.string(),
  dtype: z.enum(dtypes),
  shape: z.array(z.number().int().nonnegative()),
  digest: digestSchema,
  bits: z.array(z.string()).optional(),
})
export type Output = z.infer<typeof outputSchema>

/** One repetition of a cell on an agent, in a process of its own. */
export const executionSchema = z.object({
  outcome: outcomeSchema,
  /** Absent where the runner ended before it could say. */
  version: z.string().optional(),
  label: z.enum(conditionLabels),
  effective: z.record(z.string(), z.string()),
  /** Facts of this execution: affinity, quota, pools, floating-point mode, mapped libraries, variables in force. */
  facts: z.record(z.string(), z.string()),
  notes: z.array(noteSchema),
  /** Digest of the trace, bare hex; set exactly when the outcome is `completed`. */
  trace: hexDigestSchema.optional(),
  /**
   * Positions (`seq`) of the checkpoints that the execution was given and did not compute, ascending. Set where the
   * execution completed and its workload has no schema that says so.
   */
  inputs: z.array(z.int().nonnegative()).max(maxPlaces).optional(),
  outputs: z.array(outputSchema),
  resources: z.object({
    wallMs: z.number(),
    cpuMs: z.number().optional(),
    maxRssBytes: z.number().optional(),
  }),
  /** The last lines of stdout and stderr. */
  log: z.string(),
})
export type Execution = z.infer<typeof executionSchema>
