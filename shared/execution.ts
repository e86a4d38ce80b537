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

/**
 * Something a reader of the report must know: a fallback, a variable of the agent's environment, a bound that was hit.
 * `no-effect` comes from agents and runners of 0.1 only: whether a knob had an effect shows in a comparison.
 */
export const noteSchema = z.object({
  kind: z.enum(['no-effect', 'fallback', 'environment', 'limit', 'warning']),
  /** The knob, library, kernel, variable or device it is about. */
  subject: z.string(),
  message: z.string(),
})
export type Note = z.infer<typeof noteSchema>

/** What became of a knob that a condition asks for, by what the library reads back. */
export const settingSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('in force') }),
  /** The library reads back another value, `by`. */
  z.object({ state: z.literal('replaced'), by: z.string(), why: z.string().optional() }),
  /** Nothing tells its value. */
  z.object({ state: z.literal('unknown'), why: z.string().optional() }),
])
export type Setting = z.infer<typeof settingSchema>

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
  /** One for each knob that the condition asks for; absent where nothing ran, and from agents of 0.1. */
  settings: z.record(z.string(), settingSchema).optional(),
  /**
   * Variables that bear on bits, were in force and came from the agent's environment, not from a knob; of GLIBC_TUNABLES
   * its `glibc.cpu.*` part. `classifyVariable` tells what each chooses. Absent from agents of 0.1.
   */
  ambient: z.record(z.string(), z.string()).optional(),
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
