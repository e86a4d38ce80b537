import { basename, isAbsolute, resolve } from 'node:path'
import { z } from 'zod'
import { backendName, type KnobDescription, publicBackendNames } from '../../shared/backend-description.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { digestSchema } from '../../shared/execution.ts'
import type { Facts } from '../../shared/facts.ts'
import { programNamePattern, programParameterPattern, programValueSchema } from '../../workloads/program.ts'
import { sources } from '../../workloads/sources.ts'
import { knobValuesSchema, valuesPattern, valuesText } from './knob-values.ts'
import { knownVariable, loadsCode } from './variables.ts'

// One program that this machine's owner lets plans run: an entry of `programs.json`, docs/your-own-program.md.

const publicNames: readonly string[] = publicBackendNames
const idPattern = /^[a-z][a-z0-9-]*(?:@[0-9A-Za-z][0-9A-Za-z.+_-]{0,63})?$/

/** NAME or NAME@VARIANT: the backend's name in plans. */
export const programIdSchema = z
  .string()
  .refine(
    (id) => idPattern.test(id) && programNamePattern.test(backendName(id)),
    'a program is NAME or NAME@VARIANT, the name in small letters, digits and hyphens, such as digits@torch-2.6',
  )
  .refine((id) => !publicNames.includes(backendName(id)), 'a backend of Bitfleet has this name; choose another')

const text = z
  .string()
  .max(32 << 10)
  .refine((value) => !value.includes('\0'), 'no text of a command has a NUL')
const absolutePath = text.refine(isAbsolute, 'this is no absolute path')
const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'a variable has letters, digits and underscores')
const ownVariable = (name: string) => name.startsWith('BITFLEET_') || name === 'TMPDIR'

const knobSchema = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z][A-Za-z0-9]{0,63}$/,
      'a knob has letters and digits, and begins with a small letter, such as threads',
    ),
  variable: variableName
    .refine((name) => !ownVariable(name), 'this variable is set by Bitfleet')
    .refine((name) => !loadsCode(name), 'by this variable other code can be loaded; no plan may choose it'),
  values: knobValuesSchema,
  /** The source of the literature that it varies, where the variable's name does not say. */
  source: z.enum(sources.map(({ id }) => id)).optional(),
})

export const programEntrySchema = z
  .strictObject({
    id: programIdSchema,
    /** What is started, never by a shell. */
    command: z
      .array(text)
      .min(1)
      .max(256)
      .refine(([first]) => isAbsolute(first ?? ''), 'the first is the program to start, by its absolute path'),
    /** Where it is started; left out, an empty folder for each execution. */
    directory: absolutePath.optional(),
    /** With their defaults, which say their types. */
    parameters: z.record(z.string().regex(programParameterPattern), programValueSchema).default({}),
    knobs: z.array(knobSchema).max(64).default([]),
    /** Variables that are always set; a knob of one goes before. */
    environment: z
      .record(
        variableName.refine((name) => !ownVariable(name), 'this variable is set by Bitfleet'),
        text,
      )
      .default({}),
    /** Files, by their absolute paths, and what they must hold. */
    pins: z.record(absolutePath, digestSchema).default({}),
  })
  .superRefine(({ parameters, knobs }, context) => {
    if (Object.keys(parameters).length > 63) {
      context.addIssue({ code: 'custom', path: ['parameters'], message: 'a program takes at most 63 parameters' })
    }
    if ('name' in parameters) {
      const message = 'a plan says by "name" which program it means; call the parameter otherwise'
      context.addIssue({ code: 'custom', path: ['parameters', 'name'], message })
    }
    for (const key of ['name', 'variable'] as const) {
      knobs.forEach((knob, i) => {
        if (knobs.findIndex((other) => other[key] === knob[key]) === i) return
        context.addIssue({ code: 'custom', path: ['knobs', i, key], message: `two knobs have the ${key} ${knob[key]}` })
      })
    }
  })

export type ProgramEntry = z.infer<typeof programEntrySchema>

/** The knobs as plans, reports and the daemon know them: variables, set before the runner starts. */
export function describeKnobs({ knobs }: ProgramEntry): KnobDescription[] {
  return knobs.map(({ name, variable, values, source }) => {
    const known = knownVariable(variable)
    return {
      name,
      description: `What ${variable} is set to.`,
      source: source ?? known.source,
      pattern: valuesPattern(values),
      values: valuesText(values),
      override: known.override ?? false,
      apply: { by: 'env', variable, template: '%s' },
    }
  })
}

/** The fixed variables that a runner may be started with itself; the others are the program's alone. */
export function runnerVariables({ environment }: ProgramEntry): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !loadsCode(name)))
}

/** Where an argument that names a file has it; relative ones mean the program's own folder. */
export function fileOf({ directory }: Pick<ProgramEntry, 'directory'>, argument: string): string {
  return directory === undefined ? argument : resolve(directory, argument)
}

/**
 * What a program is made of, wherever it lies: its command with the contents of pinned files in place of their paths,
 * its variables, and the other pinned files by name and content.
 */
export function programDigest(entry: ProgramEntry): Digest {
  const { command, environment, pins } = entry
  const pinned = new Set(command.map((argument) => fileOf(entry, argument)))
  const files = Object.entries(pins)
    .filter(([path]) => !pinned.has(path))
    .map(([path, digest]) => [basename(path), digest])
    .sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1))
  return digestOf(
    canonicalJson({
      command: command.map((argument) => {
        const file = fileOf(entry, argument)
        return Object.hasOwn(pins, file) ? pins[file] : argument
      }),
      environment,
      files,
    }),
  )
}

/** Short enough to stand in a report's cell. */
export function programVersion(entry: ProgramEntry): string {
  return programDigest(entry).slice('sha256:'.length, 'sha256:'.length + 12)
}

/**
 * The whole digest, one for each pinned file by its name, and the defaults that a plan left in force: they are no part
 * of the digest, and may be others on another machine.
 *
 * @param planned parameters that the plan gives; undefined where none is asked for yet
 */
export function programFacts(entry: ProgramEntry, planned?: Readonly<Record<string, unknown>>): Facts {
  const facts: Record<string, string> = { 'program.digest': programDigest(entry) }
  for (const [path, digest] of Object.entries(entry.pins)) {
    const name = basename(path).replace(/[\s=]/g, '_')
    let key = `program.file.${name}`
    for (let n = 2; key in facts; n++) key = `program.file.${name}#${n}`
    facts[key] = digest
  }
  if (planned === undefined) return facts
  for (const [name, value] of Object.entries(entry.parameters)) {
    if (!Object.hasOwn(planned, name)) facts[`program.default.${name}`] = JSON.stringify(value)
  }
  return facts
}
