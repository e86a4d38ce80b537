import { z } from 'zod'
import { distinctArrays, refersTo } from './array-identity.ts'
import { canonicalJson } from './canonical-json.ts'
import { requestedConditionSchema } from './condition.ts'
import { sha256Hex } from './digest.ts'
import { executionSchema } from './execution.ts'
import { type JobInput, jobInputSchema } from './messages.ts'
import { signedResultSchema } from './signed-result.ts'

/** How parameters name an array; whether they may is for the workload to say. */
const referenceSchema = jobInputSchema.partial({ dtype: true, shape: true })

/** One workload, parameters, seed and condition on one agent. */
export const cellSchema = z.object({
  /** Stable over runs: derived from agent, workload, parameters, seed and condition. */
  id: z.string().regex(/^c-[0-9a-f]{12}$/),
  /** Place in the plan's order, for display. */
  position: z.number().int().nonnegative(),
  agent: z.string(),
  workload: z.string(),
  workloadVersion: z.number().int(),
  /** As the plan wrote it. */
  params: z.record(z.string(), z.unknown()),
  /** Decimal. */
  seed: z.string(),
  condition: requestedConditionSchema,
  repetitions: z.number().int().positive(),
  limits: z.object({ timeMs: z.number(), memoryBytes: z.number() }),
})
type Cell = z.infer<typeof cellSchema>
export type CellRecord = Readonly<Omit<Cell, 'params' | 'limits'>> & {
  readonly params: Readonly<Cell['params']>
  readonly limits: Readonly<Cell['limits']>
}

export const executionRecordSchema = z.object({
  cell: z.string(),
  repetition: z.number().int().nonnegative(),
  attempt: z.number().int().positive(),
  execution: executionSchema,
  /** That it is this agent's, where it came over a line; a bundle is signed as a whole. */
  signed: signedResultSchema.optional(),
})
export type ExecutionRecord = Readonly<z.infer<typeof executionRecordSchema>>

export type CellKey = Pick<CellRecord, 'agent' | 'workload' | 'workloadVersion' | 'params' | 'seed' | 'condition'>

export function cellId({ agent, workload, workloadVersion, params, seed, condition }: CellKey): string {
  const key = { agent, workload, workloadVersion, params, seed, condition }
  return `c-${sha256Hex(canonicalJson(key)).slice(0, 12)}`
}

/** The users' own arrays that a cell's parameters name: by dtype, shape and digest, where they give all three. */
export function cellInputs({ params }: Pick<CellRecord, 'params'>, inputs: readonly JobInput[]): JobInput[] {
  return distinctArrays(
    Object.values(params).flatMap((value) => {
      const reference = referenceSchema.safeParse(value).data
      return reference ? inputs.filter((input) => refersTo(reference, input)) : []
    }),
  )
}
