import { z } from 'zod'
import { digestSchema } from '../../shared/execution.ts'
import { publicKeyPattern } from '../../shared/keys.ts'

/** What the journal's first line says it is. */
export const journalFormat = 'bitfleet/journal@1'

/**
 * Who did it: `agent:ID`, `person:NAME`, `api-token:ID`, `api` for whoever holds the store's own token, `coordinator`
 * itself.
 */
const by = z.string()
const agent = z.string()
const labels = z.record(z.string(), z.string())
const hex = z.string().regex(/^[0-9a-f]{64}$/)
const publicKey = z.string().regex(publicKeyPattern)

const role = z.enum(['viewer', 'operator', 'admin'])

/**
 * What a journal records. Small things stand in it; large ones in record files of their own, written before, that it
 * names by digest. A kind's members never change: another meaning is another kind.
 */
export const journalBodySchema = z.discriminatedUnion('kind', [
  /** The first line. `id` is random, so that no two stores have one chain. */
  z.strictObject({ kind: z.literal('journal'), format: z.literal(journalFormat), id: z.string() }),
  /** An agent as it is from now on. */
  z.strictObject({ kind: z.literal('agent'), by, agent: z.string(), record: digestSchema }),
  z.strictObject({ kind: z.literal('run'), by, run: z.string(), record: digestSchema }),
  /** An execution's end; the first of a repetition is the only one. */
  z.strictObject({
    ...{ kind: z.literal('execution'), by, run: z.string(), cell: z.string() },
    ...{ repetition: z.number().int().nonnegative(), attempt: z.number().int(), record: digestSchema },
  }),
  z.strictObject({
    ...{ kind: z.literal('run-state'), by, run: z.string() },
    state: z.enum(['running', 'comparing', 'done', 'cancelled', 'failed']),
    endedAt: z.string().optional(),
    failure: z.string().optional(),
  }),
  /** Asked for; the run is cancelled once what was running has ended. */
  z.strictObject({ kind: z.literal('cancel'), by, run: z.string() }),
  /** A process found the run under way and goes on with it. */
  z.strictObject({ kind: z.literal('resume'), by, run: z.string() }),
  z.strictObject({ kind: z.literal('report'), by, run: z.string(), report: digestSchema }),
  /** A bundle that the run was made of: digests of its manifest and of its signature among the objects. */
  z.strictObject({
    ...{ kind: z.literal('import'), by, run: z.string(), agent },
    ...{ manifest: digestSchema, signature: digestSchema },
  }),

  /** A token is known by the fingerprint of its public key; it stands nowhere itself. */
  z.strictObject({
    ...{ kind: z.literal('token-created'), by, token: hex, expiresAt: z.iso.datetime(), labels },
    needsApproval: z.boolean(),
  }),
  /** Spends the token, if it was not: one record, so that no crash can part the two. */
  z.strictObject({
    ...{ kind: z.literal('agent-enrolled'), by, agent, key: publicKey, name: z.string(), labels, token: hex },
    standing: z.enum(['enrolled', 'pending']),
  }),
  z.strictObject({ kind: z.literal('enrolment-refused'), by, token: hex, key: publicKey, reason: z.string() }),
  z.strictObject({ kind: z.literal('agent-approved'), by, agent }),
  /** It connected for the `connection`th time, with the inventory of this digest. */
  z.strictObject({
    ...{ kind: z.literal('agent-renewed'), by, agent, connection: z.number().int().positive() },
    ...{ mark: z.string(), inventory: digestSchema },
  }),
  z.strictObject({ kind: z.literal('agent-locked'), by, agent, reason: z.string() }),
  /** It says connection number `connection`, and `known` is the last that this journal knows: it is locked. */
  z.strictObject({
    ...{ kind: z.literal('agent-ahead'), by, agent },
    ...{ connection: z.number().int().positive(), known: z.number().int().nonnegative() },
  }),
  /** It is what it was before it was locked, and its next connection is taken whatever it follows on. */
  z.strictObject({ kind: z.literal('agent-unlocked'), by, agent }),
  z.strictObject({ kind: z.literal('agent-labelled'), by, agent, labels }),
  z.strictObject({ kind: z.literal('agent-revoked'), by, agent, reason: z.string() }),
  z.strictObject({ kind: z.literal('agent-pruned'), by, agent }),
  /** A runner was killed from outside (SIGKILL); its execution counts as not made, and is made again. */
  z.strictObject({ kind: z.literal('execution-killed'), by, agent, job: z.string(), attempt: z.number().int() }),
  /** An agent did not take a job. */
  z.strictObject({
    ...{ kind: z.literal('job-refused'), by, agent, job: z.string(), attempt: z.number().int() },
    reason: z.string(),
  }),
  /** The coordinator did not take a result. */
  z.strictObject({
    ...{ kind: z.literal('result-refused'), by, agent, job: z.string(), attempt: z.number().int() },
    reason: z.string(),
  }),
  /** A result of an agent that may not bring any: kept apart, and part of no run. */
  z.strictObject({
    ...{ kind: z.literal('result-quarantined'), by, agent, job: z.string(), attempt: z.number().int() },
    ...{ reason: z.string(), record: digestSchema },
  }),
  /** `password` is scrypt with its parameters; the journal is its owner's alone. */
  z.strictObject({ kind: z.literal('person-created'), by, person: z.string(), role, password: z.string() }),
  z.strictObject({
    ...{ kind: z.literal('person-changed'), by, person: z.string() },
    ...{ role: role.optional(), password: z.string().optional() },
  }),
  /** With their tokens. */
  z.strictObject({ kind: z.literal('person-removed'), by, person: z.string() }),
  /** `hash` is the SHA-256 of the token, bare hex: the token itself is nowhere. */
  z.strictObject({
    ...{ kind: z.literal('api-token-created'), by, token: z.string(), hash: z.string(), role, title: z.string() },
    ...{ person: z.string().optional(), expiresAt: z.string().optional() },
  }),
  z.strictObject({ kind: z.literal('api-token-revoked'), by, token: z.string() }),
  z.strictObject({ kind: z.literal('signed-in'), by, address: z.string(), how: z.enum(['password', 'link']) }),
  z.strictObject({ kind: z.literal('sign-in-refused'), by, name: z.string(), address: z.string() }),
  /** Anything else that somebody may want to know was done, and by whom. */
  z.strictObject({
    ...{ kind: z.literal('audit'), by, action: z.string(), subject: z.string() },
    detail: z.string().optional(),
  }),
])

export type JournalBody = z.infer<typeof journalBodySchema>
