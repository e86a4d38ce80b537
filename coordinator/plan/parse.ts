import { z } from 'zod'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { isDigest } from '../../shared/digest.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import type { Factor, Factors, Level, Limits, Plan, PlannedInput, PlannedWorkload } from './plan.ts'
import { openSource, type Path, type PlanSource } from './source.ts'

const backendPattern = /^[a-z][a-z0-9-]*(@[\w.+-]+)?$/
const seedSchema = z.string().regex(/^(0|[1-9][0-9]{0,38})$/)
const scalarSchema = z.union([z.string(), z.number(), z.boolean()])
const levelSchema = z.union([scalarSchema, z.null(), z.record(z.string(), scalarSchema)])
const repetitionsSchema = z.int().min(1).max(10_000)
const factorsSchema = z.record(z.string(), z.array(levelSchema).min(1))
/** 1 PiB: more than any machine has, and in bytes still a whole number. */
const maxMemoryMiB = 2 ** 30
const limitsSchema = z.strictObject({
  timeSeconds: z
    .number()
    .min(0.001, 'expected 0.001 or more: time is counted in milliseconds')
    .max(7 * 86_400)
    .optional(),
  memoryMiB: z.number().min(1, 'expected 1 or more').max(maxMemoryMiB).optional(),
})
const seedsSchema = z.array(z.unknown()).min(1)

const absentSchema = z.enum(['allow', 'forbid'])
const expectSchema = z.enum(['repeatable', 'nondeterministic'])

const planSchema = z.strictObject({
  name: z.string().min(1).max(200),
  seed: z.unknown().optional(),
  seeds: seedsSchema.optional(),
  repetitions: repetitionsSchema.optional(),
  agents: z.record(z.string(), scalarSchema).optional(),
  limits: limitsSchema.optional(),
  workloads: z.array(z.union([z.string(), z.record(z.string(), z.unknown())])).min(1),
  factors: factorsSchema.optional(),
  absent: absentSchema.optional(),
})

/** Keys that may stand beside the workload's own in its entry, and replace the plan's for it alone. */
const entrySchema = z.strictObject({
  factors: factorsSchema.optional(),
  seeds: seedsSchema.optional(),
  repetitions: repetitionsSchema.optional(),
  limits: limitsSchema.optional(),
  absent: absentSchema.optional(),
  expect: expectSchema.optional(),
})
const maxFactors = 1000
/** Each level is tried on each backend. */
const maxApplications = 1_000_000

const entryKeys = Object.keys(entrySchema.shape)

const defaultLimits: Limits = { timeMs: 300_000, memoryBytes: 4 * 2 ** 30 }

/**
 * Reads a plan and checks all that can be checked without knowing the fleet.
 *
 * @param fileName for messages, which read `FILE:LINE: the fact; the remedy`
 * @throws `usage`
 */
export function parsePlan(text: string, fileName = 'plan'): Plan {
  const source = openSource(text, fileName)
  const plan = source.check(planSchema, source.value, [])
  const seeds = plan.seeds
    ? readSeeds(source, ['seeds'], plan.seeds)
    : [plan.seed === undefined ? '0' : readSeed(source, ['seed'])]
  const limits = readLimits(plan.limits, defaultLimits)
  const factors = plan.factors && readFactors(source, ['factors'], plan.factors)
  const workloads = plan.workloads.map((entry, i) =>
    readWorkload(source, ['workloads', i], entry, { seeds, limits, repetitions: plan.repetitions, factors }),
  )
  // A label is a text: 007 and 1.10 stand for themselves, not for the numbers they are in YAML.
  refuseEqualTitles(source, workloads)
  const labels = Object.fromEntries(
    Object.entries(plan.agents ?? {}).map(([key, value]) => [key, source.textAt(['agents', key]) || String(value)]),
  )
  return {
    name: plan.name,
    text,
    agents: labels,
    absent: plan.absent ?? 'forbid',
    workloads,
    inputs: workloads.flatMap((w, i) => inputsOf(source, w, i)),
  }
}

function readWorkload(
  source: PlanSource,
  path: Path,
  entry: string | Record<string, unknown>,
  plan: { seeds: string[]; limits: Limits; repetitions: number | undefined; factors: Factors | undefined },
): PlannedWorkload {
  const fields: Record<string, unknown> = typeof entry === 'string' ? { [entry]: {} } : entry
  const ids = Object.keys(fields).filter((key) => !entryKeys.includes(key))
  const id = ids[0]
  if (id === undefined || ids.length > 1) {
    const found = ids.length > 1 ? `names ${ids.join(' and ')}` : 'names none'
    throw source.error(path, `an entry of workloads names one workload and this one ${found}; give each its own "- "`)
  }
  const description = findDescription(id)
  if (!description) throw source.error([...path, id], `there is no workload "${id}"; \`bitfleet workloads\` lists them`)
  const own = source.check(entrySchema, Object.fromEntries(Object.entries(fields).filter(([key]) => key !== id)), path)
  const params = (fields[id] ?? {}) as Record<string, unknown>
  checkPins(source, [...path, id], params)
  source.check(description.params, params, [...path, id])
  refuseInexact(source, [...path, id], params)
  const factors = own.factors ? readFactors(source, [...path, 'factors'], own.factors) : plan.factors
  if (!factors) {
    throw source.error(path, `${id} has no factors; add \`factors: { backend: [js] }\` to the plan or to this entry`)
  }
  return {
    id,
    params,
    factors,
    seeds: own.seeds ? readSeeds(source, [...path, 'seeds'], own.seeds) : plan.seeds,
    repetitions: own.repetitions ?? plan.repetitions,
    limits: readLimits(own.limits, plan.limits),
    absent: own.absent,
    expect: own.expect,
    at: source.at([...path, id]),
  }
}

/**
 * A report tells rows apart by the texts of their parameters, and a program is given nothing else.
 *
 * @throws `usage` for two rows that differ only in what is a number and what is a text
 */
function refuseEqualTitles(source: PlanSource, workloads: readonly PlannedWorkload[]): void {
  const rows = new Map<string, string>()
  workloads.forEach(({ id, params }, i) => {
    const texts = Object.entries(params).map(([name, value]) => [
      name,
      typeof value === 'object' ? value : String(value),
    ])
    const title = canonicalJson([id, Object.fromEntries(texts)])
    const row = canonicalJson(params)
    if ((rows.get(title) ?? row) !== row) {
      throw source.error(
        ['workloads', i, id],
        `${id} stands in the plan before with parameters that read the same, as \`1\` and \`"1"\` do; write them alike, or leave one out`,
      )
    }
    rows.set(title, row)
  })
}

function readFactors(source: PlanSource, path: Path, factors: z.infer<typeof factorsSchema>): Factors {
  const backends = (factors.backend ?? []).map((level, i) => {
    if (typeof level === 'string' && backendPattern.test(level)) return level
    throw source.error([...path, 'backend', i], `a backend is NAME or NAME@VERSION, such as js or tensorflow@2.21.0`)
  })
  if (backends.length === 0) {
    throw source.error(path, 'factors need `backend: [NAME, …]`; `bitfleet backends` lists what runs here')
  }
  if (Object.keys(factors).length > maxFactors) {
    throw source.error(path, `there are more than ${maxFactors} factors; split the plan`)
  }
  const levelCount = Object.values(factors).reduce((count, levels) => count + levels.length, 0) - backends.length
  if (backends.length * levelCount > maxApplications) {
    throw source.error(
      path,
      `${backends.length} backends and ${levelCount} levels of other factors are more than a plan may combine; split the plan`,
    )
  }
  const others: Factor[] = Object.entries(factors)
    .filter(([name]) => name !== 'backend')
    .map(([name, levels]) => ({
      name,
      at: source.at([...path, name]),
      levels: levels.map((level, i) => readLevel(source, [...path, name, i], name, level)),
    }))
  return { backends: [...new Set(backends)], others, at: source.at(path) }
}

function readLevel(source: PlanSource, path: Path, factor: string, level: z.infer<typeof levelSchema>): Level {
  if (level === null) return {}
  refuseInexact(source, path, level)
  if (typeof level !== 'object') {
    if (!isKnobName(factor)) {
      throw source.error(
        path,
        `factor "${factor}" is no BACKEND.KNOB, so each of its levels is a map of knobs, such as { js.order: exact }`,
      )
    }
    return { [factor]: level }
  }
  for (const name of Object.keys(level)) {
    if (!isKnobName(name)) throw source.error([...path, name], `"${name}" is no knob; a knob is BACKEND.KNOB`)
  }
  return level
}

/**
 * Parameters and knobs that are numbers reach a program as the text of a number: whole ones must keep their digits, and
 * a zero its sign.
 *
 * @throws `usage`
 */
function refuseInexact(source: PlanSource, path: Path, value: unknown): void {
  if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) refuseInexact(source, [...path, key], inner)
  }
  if (typeof value !== 'number') return
  if (Number.isSafeInteger(value) ? !Object.is(value, -0) : !Number.isInteger(value)) return
  const text = source.textAt(path)
  // 1e300 is written as what it is.
  if (/^[-+]?[0-9.]+e/i.test(text) && value !== 0) return
  throw source.error(
    path,
    `${path.findLast((key) => typeof key === 'string')}: the number ${text} would be given as ${value}; quote it to give it as it is written`,
  )
}

function isKnobName(name: string): boolean {
  return /^[a-z][a-z0-9-]*(@[\w.+-]+)?\.[a-z][A-Za-z0-9]*$/.test(name)
}

/** Equal seeds are one. */
function readSeeds(source: PlanSource, path: Path, seeds: readonly unknown[]): string[] {
  return [...new Set(seeds.map((_, i) => readSeed(source, [...path, i])))]
}

/** Seeds are decimal and may be longer than a JSON number holds, so their text counts and not their value. */
function readSeed(source: PlanSource, path: Path): string {
  const text = source.textAt(path)
  const result = seedSchema.safeParse(text)
  if (!result.success) throw source.error(path, `seed ${text || 'of no text'} is not a whole number in decimal`)
  return result.data
}

function readLimits(own: z.infer<typeof limitsSchema> | undefined, otherwise: Limits): Limits {
  return {
    timeMs: own?.timeSeconds === undefined ? otherwise.timeMs : Math.round(own.timeSeconds * 1000),
    memoryBytes: own?.memoryMiB === undefined ? otherwise.memoryBytes : Math.round(own.memoryMiB * 2 ** 20),
  }
}

type NamedArray = { readonly [Key in 'file' | 'digest' | 'dtype' | 'shape']?: unknown }

/** Whatever parameter is a map with `file` in it is a user's own array. */
function inputParams(params: Readonly<Record<string, unknown>>): [string, NamedArray][] {
  return Object.entries(params).filter(
    (entry): entry is [string, NamedArray] => typeof entry[1] === 'object' && entry[1] !== null && 'file' in entry[1],
  )
}

function checkPins(source: PlanSource, path: Path, params: Readonly<Record<string, unknown>>): void {
  for (const [name, input] of inputParams(params)) {
    if (typeof input.digest === 'string' && isDigest(input.digest)) continue
    throw source.error(
      [...path, name],
      `${name} is not pinned: add \`digest: "sha256:…"\`, the digest of the array's payload; ` +
        `\`bitfleet digest ${String(input.file)}\` prints it`,
    )
  }
}

function inputsOf(source: PlanSource, workload: PlannedWorkload, i: number): PlannedInput[] {
  return inputParams(workload.params).map(([name, { file, digest, dtype, shape }]) => ({
    file: String(file),
    digest: String(digest),
    // The workload's own schema has checked both.
    dtype: dtype as PlannedInput['dtype'],
    shape: shape as PlannedInput['shape'],
    at: source.at(['workloads', i, workload.id, name]),
  }))
}
