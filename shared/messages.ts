import { z } from 'zod'
import { backendDescriptionSchema } from './backend-description.ts'
import { requestedConditionSchema } from './condition.ts'
import { digestSchema, executionSchema } from './execution.ts'
import { dtypes } from './tensor.ts'

export const protocolVersion = 1

/** Path of the agents' lines on the coordinator's HTTP server. */
export const agentEndpoint = '/agents/connect'

/** Largest frame either side accepts, in bytes: a header and up to 1 MiB of tensor, or a long trace. */
export const maxFrameBytes = 64 << 20

export const deviceSchema = z.object({ id: z.string(), kind: z.enum(['cpu', 'gpu']), title: z.string() })

/** A user's own array, pinned by the digest of its payload; the bytes travel apart. */
export const jobInputSchema = z.object({
  digest: digestSchema,
  dtype: z.enum(dtypes),
  shape: z.array(z.number().int().nonnegative()),
})
export type JobInput = z.infer<typeof jobInputSchema>

/** One execution to be made: what the next protocol version will sign. */
export const jobSchema = z.object({
  id: z.string(),
  attempt: z.number().int().positive(),
  run: z.string(),
  cell: z.string(),
  repetition: z.number().int().nonnegative(),
  workload: z.string(),
  workloadVersion: z.number().int(),
  params: z.record(z.string(), z.unknown()),
  /** Decimal. */
  seed: z.string(),
  condition: requestedConditionSchema,
  inputs: z.array(jobInputSchema),
  limits: z.object({ timeMs: z.number(), memoryBytes: z.number() }),
})
export type Job = z.infer<typeof jobSchema>

export const agentRecordSchema = z.object({
  id: z.string(),
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  software: z.string(),
  facts: z.record(z.string(), z.string()),
  attributes: z.record(z.string(), z.string()),
  devices: z.array(deviceSchema),
  backends: z.array(backendDescriptionSchema),
  /** How many executions it takes at a time. */
  slots: z.number().int().positive(),
})
export type AgentRecord = z.infer<typeof agentRecordSchema>

const wantSchema = z.object({ type: z.literal('want'), digest: digestSchema })
/** A piece of an artifact: body bytes [offset, offset + body length) of `total`. */
const pieceSchema = z.object({
  type: z.literal('piece'),
  digest: digestSchema,
  offset: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(),
})
const missingSchema = z.object({ type: z.literal('missing'), digest: digestSchema, reason: z.string() })

/** From agent to coordinator. */
export const agentMessageSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    protocol: z.number().int(),
    token: z.string(),
    agent: agentRecordSchema,
  }),
  /** Body: the trace in its file form, where the execution completed. */
  z.object({
    type: z.literal('result'),
    job: z.string(),
    attempt: z.number().int(),
    execution: executionSchema,
  }),
  wantSchema,
  pieceSchema,
  missingSchema,
])
export type AgentMessage = z.infer<typeof agentMessageSchema>

/** From coordinator to agent. */
export const coordinatorMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('welcome'), protocol: z.number().int(), coordinator: z.string() }),
  z.object({ type: z.literal('refused'), reason: z.string() }),
  z.object({ type: z.literal('job'), job: jobSchema }),
  z.object({ type: z.literal('cancel'), job: z.string() }),
  z.object({ type: z.literal('acknowledged'), job: z.string(), attempt: z.number().int() }),
  wantSchema,
  pieceSchema,
  missingSchema,
])
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>

/** A message with the bytes it carries, if any: tensor bytes never stand inside the JSON. */
export interface Frame<Message> {
  readonly message: Message
  readonly body?: Uint8Array
}
