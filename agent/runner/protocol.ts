import { z } from 'zod'
import { requestedConditionSchema } from '../../shared/condition.ts'
import { digestSchema, noteSchema } from '../../shared/execution.ts'
import { errorCodes } from '../../shared/errors.ts'
import { jobInputSchema } from '../../shared/messages.ts'
import { dtypes } from '../../shared/tensor.ts'

// What the daemon and a runner say to each other; docs/runner-protocol.md tells it to authors of runners in any language.

export const runnerProtocolVersion = 1

/** Descriptors a runner is started with, beside its log on 1 and 2. */
export const requestFd = 3
export const eventFd = 4

/** Longest line either side writes, in bytes. */
export const maxLineBytes = 1 << 20

/** The one line on descriptor 3. */
export const runnerRequestSchema = z.object({
  protocol: z.literal(runnerProtocolVersion),
  workload: z.string(),
  workloadVersion: z.number().int(),
  params: z.record(z.string(), z.unknown()),
  seed: z.string(),
  condition: requestedConditionSchema,
  /** The user's own arrays, and the file each one's raw bytes are in. */
  inputs: z.array(jobInputSchema.extend({ file: z.string() })),
  /** An empty folder for tensors; it is gone once the runner has ended. */
  scratch: z.string(),
  /** Bytes of tensors to keep, in all; later checkpoints are digested alone. Outputs of up to 16 elements always are. */
  keepBytes: z.number().int().nonnegative(),
})
export type RunnerRequest = z.infer<typeof runnerRequestSchema>

const resources = { cpuMs: z.number().optional(), maxRssBytes: z.number().optional() }
const textRecord = z.record(z.string(), z.string())

/** A line on descriptor 4. `finished`, `unsupported`, `failed` and `crashed` are last words. */
export const runnerEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), version: z.string(), pid: z.number().int() }),
  z.object({
    type: z.literal('checkpoint'),
    seq: z.number().int().nonnegative(),
    step: z.number().int().nonnegative(),
    name: z.string(),
    dtype: z.enum(dtypes),
    shape: z.array(z.number().int().nonnegative()),
    digest: digestSchema,
    role: z.enum(['input', 'intermediate', 'output']),
    /** Name of the file in the scratch folder that holds the bytes, where they were kept. */
    file: z
      .string()
      .regex(/^[0-9A-Za-z_-][0-9A-Za-z._-]{0,99}$/)
      .optional(),
  }),
  /** Sent once the backend is open and again when all is computed: a later one adds to an earlier one's facts. */
  z.object({
    type: z.literal('effective'),
    settings: textRecord,
    /** By knob: why its value was replaced, or why nothing tells it. */
    reasons: textRecord.optional(),
    facts: textRecord,
    notes: z.array(noteSchema),
    /** Paths of the numeric libraries mapped by now. */
    mapped: z.array(z.string()).optional(),
  }),
  z.object({ type: z.literal('finished'), ...resources }),
  z.object({ type: z.literal('unsupported'), reason: z.string(), ...resources }),
  z.object({ type: z.literal('failed'), code: z.enum(errorCodes), message: z.string(), ...resources }),
  /** Not the runner, but the process that computes for it. */
  z.object({ type: z.literal('crashed'), signal: z.string().regex(/^SIG[A-Z0-9]{1,20}$/), ...resources }),
])
export type RunnerEvent = z.infer<typeof runnerEventSchema>
export type LastWords = Extract<RunnerEvent, { type: 'finished' | 'unsupported' | 'failed' | 'crashed' }>
