import { z } from 'zod'
import { digestSchema } from '../shared/execution.ts'
import { dataKinds } from '../shared/random/data-kinds.ts'
import { dtypes } from '../shared/tensor.ts'

export const floatDTypes = ['f64', 'f32', 'f16', 'bf16'] as const

/** A bound that keeps a mistyped size from taking a machine's memory. */
export const maxElements = 2 ** 28

export const dtypeParam = z.enum(floatDTypes).default('f32').describe('Element type of operands and result')

export const dataParam = z.enum(dataKinds).default('uniform').describe('How drawn operands are distributed')

export const extentParam = z.int().min(1).max(maxElements)

/**
 * A user's own array: `file` is relative to the plan, `digest` is that of its payload. `dtype` and `shape` are there if
 * the digest alone does not say which array is meant.
 */
export const inputParam = z
  .strictObject({
    file: z.string().min(1),
    digest: digestSchema,
    dtype: z.enum(dtypes).optional(),
    shape: z.array(z.int().nonnegative()).max(64).optional(),
  })
  .describe("A user's own .npy array, pinned by the digest of its payload")

/** A strict object whose refusal of an unknown key names the keys it has. */
export function strictParams<Shape extends z.ZodRawShape>(shape: Shape) {
  const has = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no parameter "${issue.keys?.join('", "')}"; it takes ${has}`
        : undefined,
  })
}

/** Reports keys that cannot stand together with a user's own array. */
export function refuseBeside(input: string, others: readonly string[]) {
  return (params: Record<string, unknown>, context: z.RefinementCtx) => {
    if (params[input] === undefined) return
    for (const other of others) {
      if (params[other] === undefined) continue
      const message = `"${other}" is the array's own where "${input}" is given; leave one of them out`
      context.addIssue({ code: 'custom', path: [other], message })
    }
  }
}
