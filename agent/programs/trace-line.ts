import { z } from 'zod'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { issuesText } from './issues.ts'

// The lines of `trace.ndjson`, which a listed program writes while it runs: docs/your-own-program.md.

export const traceFile = 'trace.ndjson'

/** A text, or a number or truth value that is taken as its text. */
const factTextSchema = z
  .union([z.string(), z.number(), z.boolean()], { error: 'a value is a text of at most 1024 characters' })
  .transform(String)
  .refine((text) => text.length <= 1024, 'a value is a text of at most 1024 characters')

const textRecord = z.record(z.string().regex(/^[^\s=]{1,200}$/, 'a key has no spaces and no ='), factTextSchema)

const checkpointSchema = z.strictObject({
  step: z.int().nonnegative(),
  name: z.string().optional(),
  /** Plain names alone: what lies elsewhere is not the program's to hand over. */
  file: z
    .string()
    .regex(
      /^[0-9A-Za-z_-][0-9A-Za-z._-]{0,199}\.(?:npy|safetensors)$/,
      'a file is a plain name that ends in .npy or .safetensors',
    ),
  role: z.enum(['input', 'intermediate', 'output']).default('intermediate'),
  prefix: z.string().optional(),
})
export type TracedCheckpoint = z.infer<typeof checkpointSchema>

const lineSchema = z
  .strictObject({
    checkpoint: checkpointSchema.optional(),
    settings: textRecord.optional(),
    facts: textRecord.optional(),
    note: z.string().max(1000).optional(),
  })
  .refine((line) => Object.keys(line).length === 1, 'a line says one thing: checkpoint, settings, facts or note')
  .superRefine(({ checkpoint }, context) => {
    if (checkpoint === undefined) return
    const { file, name, prefix } = checkpoint
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['checkpoint'], message })
    if (file.endsWith('.npy')) {
      if (name === undefined) refuse('a tensor in a .npy needs a name')
      if (prefix !== undefined) refuse('a prefix is for the names in a .safetensors')
    } else if (name !== undefined) refuse('the tensors of a .safetensors have the names they have there; use a prefix')
  })
export type TraceLine = z.infer<typeof lineSchema>

/** @throws `workload` saying what no line may say */
export function parseTraceLine(text: string): TraceLine {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new BitfleetError('workload', `it is not JSON (${messageOf(cause)})`, { cause })
  }
  const parsed = lineSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new BitfleetError('workload', issuesText(parsed.error))
}
