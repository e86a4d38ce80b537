import { z } from '@hono/zod-openapi'
import { digestPattern } from '../../shared/digest.ts'
import { labelsSchema } from '../../shared/labels.ts'
import { errorCodes } from '../../shared/errors.ts'
import { dtypes } from '../../shared/tensor.ts'

const text = z.string()
const texts = z.record(z.string(), z.string())
const whole = z.number().int().nonnegative()

export const errorSchema = z.object({ error: z.object({ code: z.enum(errorCodes), message: text }) }).openapi('Error')

export const healthSchema = z
  .object({
    status: z.enum(['ok', 'impaired']).openapi({ description: 'impaired: it runs, and takes no results for now' }),
    software: text,
    agents: whole,
    trouble: text.optional().openapi({ description: 'why it is impaired' }),
  })
  .openapi('Health')

export const agentSchema = z
  .object({
    id: text,
    name: text,
    standing: z.enum(['enrolled', 'pending', 'locked', 'revoked']),
    reason: text.optional().openapi({ description: 'why it is locked or revoked' }),
    ahead: z.boolean().optional().openapi({ description: 'locked because the store is older than the agent' }),
    enrolledAt: text,
    lastSeen: text.optional().openapi({ description: 'when it last connected' }),
    connected: z.boolean(),
    labels: texts,
    software: text,
    facts: texts,
    attributes: texts,
    devices: z.array(z.object({ id: text, kind: z.enum(['cpu', 'gpu']), title: text })),
    backends: z.array(
      z.object({
        id: text,
        title: text,
        status: z.enum(['ready', 'unavailable']),
        version: text.optional(),
        reason: text.optional(),
        add: text.optional(),
      }),
    ),
    slots: whole,
  })
  .openapi('Agent')

/** An id in a path: no id of anything has other characters. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const id = z.string().regex(idPattern, 'an id is letters, digits and . _ - inside, at most 128 of them')

export const agentParams = z.object({
  id: id.openapi({ param: { name: 'id', in: 'path' }, example: 'a-0123456789abcdef' }),
})

const dayMs = 86_400_000

export const tokenSchema = z
  .object({
    ttlMs: z.number().int().min(1000).max(dayMs).optional().openapi({ description: 'ten minutes unless said' }),
    labels: labelsSchema.optional().openapi({ description: 'labels that the agent gets' }),
    needsApproval: z.boolean().optional().openapi({ description: 'the agent is given nothing before it is approved' }),
  })
  .openapi('TokenRequest')

export const createdTokenSchema = z.object({ token: text, id: text, expiresAt: text }).openapi('Token')

export const revokeSchema = z.object({ reason: z.string().min(1).max(1000) }).openapi('Revocation')

export const labelsChangeSchema = z
  .object({ set: labelsSchema.default({}), remove: z.array(z.string().max(64)).max(64).default([]) })
  .openapi('LabelsChange')

export const pruneSchema = z
  .object({ unseenSince: z.iso.datetime().optional().openapi({ description: 'and those not connected since' }) })
  .openapi('Prune')

const runStates = ['running', 'comparing', 'done', 'cancelled', 'failed'] as const

export const runSchema = z
  .object({
    id: text,
    name: text,
    state: z.enum(runStates),
    createdAt: text,
    endedAt: text.optional(),
    cells: whole,
    agents: whole,
  })
  .openapi('Run')

const digest = z
  .string()
  .regex(digestPattern)
  .openapi({ example: `sha256:${'0'.repeat(64)}` })

export const submitSchema = z
  .object({
    plan: z
      .string()
      .max(1 << 20)
      .openapi({ description: 'the plan, YAML' }),
    fileName: z.string().max(1000).optional().openapi({ description: 'what messages about the plan call it' }),
    name: z.string().min(1).max(200).optional(),
    inputs: z
      .array(
        z.object({
          digest,
          dtype: z.enum(dtypes),
          shape: z.array(whole).max(64),
          file: z.string().max(4096).optional(),
        }),
      )
      .max(10_000)
      .default([])
      .openapi({ description: "users' arrays that the plan names, uploaded before; `file` as the plan calls it" }),
  })
  .openapi('Submission')

const counts = z.record(z.string(), whole)

export const progressSchema = z
  .object({
    id: text,
    name: text,
    state: z.enum(runStates),
    createdAt: text,
    endedAt: text.optional(),
    failure: text.optional(),
    planDigest: digest,
    notes: z.array(text),
    total: whole,
    waiting: whole,
    running: whole,
    ended: counts,
    cells: z.array(
      z.object({
        id: text,
        agent: text,
        workload: text,
        seed: text,
        params: z.record(z.string(), z.unknown()),
        condition: z.object({ backend: text, device: text, knobs: z.record(z.string(), z.unknown()) }),
        executions: z.array(text),
      }),
    ),
  })
  .openapi('RunProgress')

export const tokenParams = z.object({ id: id.openapi({ param: { name: 'id', in: 'path' } }) })

export const runParams = z.object({
  id: id.openapi({ param: { name: 'id', in: 'path' }, example: '20260102-030405-0a1b2c' }),
})

export const digestParams = z.object({ digest: digest.openapi({ param: { name: 'digest', in: 'path' } }) })

export const traceParams = z.object({
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .openapi({ param: { name: 'digest', in: 'path' } }),
})

export const artifactParams = runParams.extend({
  file: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}(\.npy)?$/)
    .openapi({ param: { name: 'file', in: 'path' }, description: 'a digest, for its bytes; with .npy, a NumPy array' }),
})

export const npyQuery = z.object({
  dtype: z.enum(dtypes).optional().openapi({ description: 'for .npy' }),
  shape: z
    .string()
    .max(1000)
    .regex(/^(\d+(,\d+)*)?$/)
    .optional()
    .openapi({ description: 'extents with commas between, for .npy; left out, a scalar', example: '2,3' }),
})

const bundleSchema = z.object({ digest: z.string().regex(digestPattern), title: z.string().max(200) })

/** Bundles by their digests as artifacts; a title is for messages. */
export const importSchema = z.object({ bundles: z.array(bundleSchema).min(1).max(1000) }).openapi('Import')

export const importedSchema = z
  .object({
    run: text,
    name: text,
    agents: z.array(text),
    executions: whole,
    /** False where all of it had been imported before. */
    imported: z.boolean(),
  })
  .openapi('ImportedRun')
