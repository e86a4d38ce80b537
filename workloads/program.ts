import { z } from 'zod'
import { unsupported } from './kernels.ts'
import type { Workload } from './workload.ts'

export const programNamePattern = /^[a-z][a-z0-9-]{0,63}$/
export const programParameterPattern = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

const maxParameters = 64
const maxTextBytes = 1024

/** What a parameter may be. */
export const programValueSchema = z.union(
  [
    z
      .string()
      .refine((text) => Buffer.byteLength(text) <= maxTextBytes, `a text has at most ${maxTextBytes} bytes`)
      .refine((text) => text.isWellFormed() && !text.includes('\0'), 'a text is Unicode without NUL'),
    z.number(),
    z.boolean(),
  ],
  { error: 'a parameter of a program is a text, a finite number, true or false' },
)
export type ProgramValue = z.infer<typeof programValueSchema>

const paramsSchema = z
  .object({
    name: z
      .string({ error: 'the listed program that is meant; where it is to run, `bitfleet programs` lists them' })
      .regex(programNamePattern, 'a program has small letters, digits and hyphens in its name')
      .describe('The listed program'),
  })
  .catchall(programValueSchema)
  .superRefine((params, context) => {
    const names = Object.keys(params)
    if (names.length > maxParameters) {
      context.addIssue({
        code: 'custom',
        message: `a program takes at most ${maxParameters} parameters, its name among them`,
      })
    }
    for (const name of names.filter((key) => !programParameterPattern.test(key))) {
      const message = 'a parameter has letters, digits and underscores in its name'
      context.addIssue({ code: 'custom', path: [name], message })
    }
  })

/** A program of the machine's owner; what it takes beside its name, the machine that lists it knows. */
export const program: Workload<z.infer<typeof paramsSchema>> = {
  id: 'program',
  version: 1,
  title: "A program of the machine's owner",
  summary:
    "A program that the agent's owner has listed, started as it is with the seed, its parameters and the variables that " +
    'knobs set. Which tensors it makes, in which order, it says itself; they are compared bit by bit like those of any ' +
    'other workload. Every machine names its own copy by the same name; the facts say which files each one ran.',
  params: paramsSchema,
  async run({ params, seed, backend, program: listed, checkpoint }) {
    const { name, ...parameters } = params
    if (listed === undefined) return unsupported(`${backend} is a library and not the program ${name}`)
    if (listed.name !== name) {
      return unsupported(`${backend} is the program ${listed.name}, not ${name}; say \`backend: [${name}]\` for it`)
    }
    await listed.run(parameters, seed, checkpoint)
    return undefined
  },
}
