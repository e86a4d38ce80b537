import { z } from 'zod'

export const knobValueSchema = z.union([z.string(), z.number(), z.boolean()])
export type KnobValue = z.infer<typeof knobValueSchema>
export type Knobs = Readonly<Record<string, KnobValue>>

/** What a plan asks for: a backend with some knobs set. Knob names are bare inside a condition. */
export const requestedConditionSchema = z.object({
  backend: z.string(),
  device: z.string().default('cpu'),
  knobs: z.record(z.string(), knobValueSchema),
})
export type RequestedCondition = z.infer<typeof requestedConditionSchema>

/** `native`; `override`: a knob, the environment or a flag chooses another processor's code path; or `emulated`. */
export const conditionLabels = ['native', 'override', 'emulated'] as const

/** What was in force: the request, and what was read back from the library. */
export const conditionSchema = requestedConditionSchema.extend({
  version: z.string(),
  label: z.enum(conditionLabels),
  /** Settings read back from the library, never echoed from the request. */
  effective: z.record(z.string(), z.string()),
})
export type Condition = z.infer<typeof conditionSchema>
