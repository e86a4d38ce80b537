import { z } from 'zod'
import { backendDescriptionSchema } from './backend-description.ts'
import { requestedConditionSchema } from './condition.ts'
import { type Digest, digestOf } from './digest.ts'
import { enrolledSchema, enrolmentSchema, renewalSchema } from './enrolment.ts'
import { canonicalJson } from './canonical-json.ts'
import { signatureSchema } from './envelope.ts'
import { digestSchema, executionSchema } from './execution.ts'
import { publicKeyPattern } from './keys.ts'
import { signedResultSchema } from './signed-result.ts'
import { dtypes } from './tensor.ts'

/** What this release speaks best, and the oldest that it still speaks; a peer's range must reach into it. */
export const protocolVersion = 2
export const oldestProtocol = 2

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

/** 16 bytes in hex. */
const nonceSchema = z.string().regex(/^[0-9a-f]{32}$/)

/** One execution to be made, as the coordinator signs it (`bitfleet/job@1`). What it does not list is refused. */
export const jobSchema = z.strictObject({
  id: z.string(),
  attempt: z.number().int().positive(),
  /** For this agent and no other. */
  agent: z.string(),
  /** Of this attempt alone: a job is taken once. */
  nonce: nonceSchema,
  /** By the coordinator's clock, ISO 8601: when an agent takes it no more. */
  expiresAt: z.iso.datetime(),
  run: z.string(),
  cell: z.string(),
  repetition: z.number().int().nonnegative(),
  workload: z.string(),
  workloadVersion: z.number().int(),
  params: z.record(z.string(), z.unknown()),
  /** Decimal. */
  seed: z.string(),
  condition: z.strictObject(requestedConditionSchema.shape),
  inputs: z.array(z.strictObject(jobInputSchema.shape)),
  limits: z.strictObject({ timeMs: z.number(), memoryBytes: z.number() }),
})
export type Job = z.infer<typeof jobSchema>

/** A job before it is addressed and signed: what is to be made. */
export type PlannedJob = Omit<Job, 'agent' | 'nonce' | 'expiresAt'>

/** One attempt at a job: what a lease is held for. */
export const heldJobSchema = z.object({ job: z.string(), attempt: z.number().int().positive() })
export type HeldJob = z.infer<typeof heldJobSchema>

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

/** What a result is made under, and names: all of an agent's record that may bear on bits. */
export function inventoryDigest({ attributes, backends, devices, facts, software }: AgentRecord): Digest {
  return digestOf(canonicalJson({ attributes, backends, devices, facts, software }))
}

/** What the coordinator signs first, so that an agent talks to no other (`bitfleet/challenge@1`). */
export const coordinatorProofSchema = z.strictObject({
  agent: z.string(),
  agentNonce: nonceSchema,
  /** The coordinator's clock, ISO 8601: by it the agent judges when jobs expire, whatever its own clock says. */
  at: z.iso.datetime(),
  by: z.literal('coordinator'),
  nonce: nonceSchema,
})
export type CoordinatorProof = z.infer<typeof coordinatorProofSchema>

/** What the agent signs then, in the same domain. */
export const agentProofSchema = z.strictObject({
  agent: z.string(),
  agentNonce: nonceSchema,
  by: z.literal('agent'),
  nonce: nonceSchema,
  /** Digest of the agent's record in canonical JSON. */
  record: digestSchema,
  renewal: renewalSchema,
})
export type AgentProof = z.infer<typeof agentProofSchema>

const wantSchema = z.object({ type: z.literal('want'), digest: digestSchema })
/** A piece of an artifact: body bytes [offset, offset + body length) of `total`. */
const pieceSchema = z.object({
  type: z.literal('piece'),
  digest: digestSchema,
  offset: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(),
})
const missingSchema = z.object({ type: z.literal('missing'), digest: digestSchema, reason: z.string() })

/** The first message of a line that is to be an agent's: who it says it is, and the protocols it speaks. */
const helloSchema = z.object({
  type: z.literal('hello'),
  protocol: z.number().int(),
  oldest: z.number().int(),
  agent: z.string(),
  nonce: nonceSchema,
})
/** The first and only message of a line that enrols. */
const enrolSchema = z.object({
  type: z.literal('enrol'),
  protocol: z.number().int(),
  oldest: z.number().int(),
  enrolment: enrolmentSchema,
  signatures: z.object({ agent: signatureSchema, token: signatureSchema }),
})

/** Body: the trace in its file form, where the execution completed. */
export const resultSchema = z.object({
  type: z.literal('result'),
  job: z.string(),
  attempt: z.number().int(),
  execution: executionSchema,
  ...signedResultSchema.shape,
})

/** From agent to coordinator. */
export const agentMessageSchema = z.discriminatedUnion('type', [
  helloSchema,
  enrolSchema,
  /** Answers a challenge. */
  z.object({
    type: z.literal('proof'),
    agent: agentRecordSchema,
    renewal: renewalSchema,
    signature: signatureSchema,
  }),
  /**
   * All it has in hand. Said first after the welcome, as it may be more than a stranger may bring: it goes on with those
   * jobs, and is given others from then on. Said again every few seconds, which renews the lease of every job it names.
   */
  z.object({ type: z.literal('holding'), jobs: z.array(heldJobSchema) }),
  resultSchema,
  /** A job it does not take. `later`: it may be given again once the agent says `ready`. */
  z.object({
    type: z.literal('refuse'),
    job: z.string().max(512),
    attempt: z.number().int(),
    reason: z.string().max(2000),
    later: z.boolean(),
  }),
  /** It takes jobs again. */
  z.object({ type: z.literal('ready') }),
  wantSchema,
  pieceSchema,
  missingSchema,
])
export type AgentMessage = z.infer<typeof agentMessageSchema>

/** From coordinator to agent. */
export const coordinatorMessageSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('challenge'),
    protocol: z.number().int(),
    proof: coordinatorProofSchema,
    key: z.string().regex(publicKeyPattern),
    signature: signatureSchema,
  }),
  z.object({
    type: z.literal('welcome'),
    protocol: z.number().int(),
    coordinator: z.string(),
    /** An agent that waits for approval is given nothing. */
    standing: z.enum(['enrolled', 'pending']),
    labels: z.record(z.string(), z.string()),
  }),
  z.object({ type: z.literal('enrolled'), enrolled: enrolledSchema, signature: signatureSchema }),
  /** An agent that reads it gives up, unless it is told to come again `later`. */
  z.object({ type: z.literal('refused'), reason: z.string(), later: z.boolean().optional() }),
  /** Judged as it came, so that what does not belong there is seen. */
  z.object({ type: z.literal('job'), job: z.unknown(), signature: z.string() }),
  z.object({ type: z.literal('cancel'), job: z.string() }),
  z.object({ type: z.literal('acknowledged'), job: z.string(), attempt: z.number().int() }),
  /** A result that is not taken and never will be. */
  z.object({ type: z.literal('rejected'), job: z.string(), attempt: z.number().int(), reason: z.string() }),
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
