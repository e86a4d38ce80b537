import { z } from 'zod'

/** The names DESIGN gives to backends; one of these that an agent lacks is `unsupported` there, any other is a typo. */
export const publicBackendNames = [
  'js',
  'tfjs-cpu',
  'tfjs-wasm',
  'tfjs-webgpu',
  'tensorflow',
  'tensorflow-gpu',
  'pytorch',
  'onnxruntime',
  'numpy',
  'jax',
  'libm',
  'openblas',
  'blis',
  'c',
  'cuda',
  'opencl',
] as const

/** The name of a backend without the version that an installed one has behind it: `tensorflow` of `tensorflow@2.21.0`. */
export function backendName(id: string): string {
  return id.split('@', 1)[0] as string
}

/**
 * How the daemon puts a knob into force before the runner starts; `call` means the backend does it itself, once open.
 * Data and not code, so that the daemon needs no backend.
 */
export const knobApplicationSchema = z.discriminatedUnion('by', [
  /** Environment variable; `%s` in the template stands for the value. */
  z.object({ by: z.literal('env'), variable: z.string(), template: z.string().default('%s') }),
  /** Arguments to node, by the knob's value. */
  z.object({ by: z.literal('node-arguments'), arguments: z.record(z.string(), z.array(z.string())) }),
  z.object({ by: z.literal('call') }),
])

/** A setting of a backend, described: what a plan may say of it, and which source of the literature it varies. */
export const knobDescriptionSchema = z.object({
  name: z.string().regex(/^[a-z][A-Za-z0-9]*$/),
  description: z.string(),
  /** Class in the literature, such as `IF.parallel`. */
  source: z.string(),
  /** Anchored regular expression over the value's text. */
  pattern: z.string(),
  /** The values a person would try, in words. */
  values: z.string(),
  /** Choosing another processor's code path makes the condition `override`. */
  override: z.boolean().default(false),
  apply: knobApplicationSchema,
})
export type KnobDescription = z.infer<typeof knobDescriptionSchema>

/** What an agent says of a backend: ready at a version, or not and why, and the one command that adds it. */
export const backendDescriptionSchema = z.object({
  id: z.string(),
  title: z.string(),
  status: z.enum(['ready', 'unavailable']),
  version: z.string().optional(),
  reason: z.string().optional(),
  add: z.string().optional(),
  /** Names of the kernels it has; `tfjs` for a whole tensor library, `gradients` for one of another language. */
  kernels: z.array(z.string()),
  knobs: z.array(knobDescriptionSchema),
  /** What emulates the processor it computes on, as its runner sees it; left out where nothing does. */
  emulator: z.string().optional(),
})
export type BackendDescription = z.infer<typeof backendDescriptionSchema>
