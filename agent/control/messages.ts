import { z } from 'zod'
import { errorCodes } from '../../shared/errors.ts'

// One line of JSON asks, one answers. Whoever may open the socket is the agent's user or root.

/** Longest question and longest answer, in bytes. */
export const maxQuestionBytes = 4096
export const maxAnswerBytes = 4 << 20

export const controlQuestionSchema = z.discriminatedUnion('command', [
  z.object({ command: z.literal('status') }),
  /** Answered at once; on the same connection, `ended` follows when the agent ends. */
  z.object({ command: z.literal('drain') }),
])
export type ControlQuestion = z.infer<typeof controlQuestionSchema>

const spoolSchema = z.object({
  records: z.number(),
  bytes: z.number(),
  quotaRecords: z.number(),
  quotaBytes: z.number(),
  /** Files set aside. */
  damaged: z.number(),
  refused: z.number(),
})

/** An agent as it says it is. Times are ISO 8601 by its own clock. */
export const agentStatusSchema = z.object({
  pid: z.number(),
  startedAt: z.string(),
  id: z.string(),
  /** SHA-256 of the raw public key, hex. */
  fingerprint: z.string(),
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  software: z.string(),
  coordinator: z.string(),
  connection: z.discriminatedUnion('state', [
    z.object({ state: z.literal('connected'), since: z.string() }),
    /** `reason`: why there is no line, in the words of whatever last went wrong. */
    z.object({ state: z.literal('disconnected'), since: z.string(), reason: z.string() }),
  ]),
  draining: z.boolean(),
  slots: z.number(),
  jobs: z.object({
    running: z.number(),
    waiting: z.number(),
    /** Results the disk did not take yet. */
    unwritten: z.number(),
    /** Why it takes no jobs now. */
    refusing: z.string().optional(),
  }),
  spool: spoolSchema,
  backends: z.array(z.object({ id: z.string(), status: z.string(), version: z.string().optional() })),
})
export type AgentStatus = z.infer<typeof agentStatusSchema>

/** `drained`: all it had was finished and acknowledged; `stopped`: something else ended it. */
export const endSchema = z.enum(['drained', 'stopped'])
export type AgentEnd = z.infer<typeof endSchema>

export const controlAnswerSchema = z.union([
  z.object({ status: agentStatusSchema }),
  z.object({ draining: z.literal(true), pid: z.number() }),
  z.object({ ended: endSchema }),
  z.object({ error: z.object({ code: z.enum(errorCodes), message: z.string() }) }),
])
export type ControlAnswer = z.infer<typeof controlAnswerSchema>
