import { afterAll, beforeAll, expect, it } from 'vitest'
import type { z } from 'zod'
import type { Backend, BackendDriver } from '../../agent/backends/backend.ts'
import { digestOf } from '../../shared/digest.ts'
import { dtypes } from '../../shared/tensor.ts'
import { type Unsupported, isUnsupported } from '../../workloads/kernels.ts'
import { type CheckpointSpec, type SchemedWorkload, type Workload, granularities } from '../../workloads/workload.ts'

/** A checkpoint as it was made. */
interface Made extends Omit<CheckpointSpec, 'role'> {
  readonly digest: string
}

/** Runs a workload as a runner does. */
async function execute(
  workload: Workload,
  written: Record<string, unknown>,
  seed: string,
  { id, backend }: Opened,
): Promise<Made[] | Unsupported> {
  const made: Made[] = []
  const result = await workload.run({
    params: workload.params.parse(written),
    seed,
    backend: id,
    kernels: backend.kernels,
    tf: backend.tf,
    input: (digest) => expect.fail(`${workload.id} asks for an input ${digest} that its parameters do not name`),
    checkpoint: (step, name, { dtype, shape, bytes }) =>
      made.push({ step, name, dtype, shape, digest: digestOf(bytes) }),
  })
  return isUnsupported(result) ? result : made
}

interface Opened {
  readonly id: string
  readonly backend: Backend
}

/**
 * What every workload must keep to.
 *
 * @param given   one with a schema
 * @param params  small ones, as a plan would write them
 * @param drivers backends that run on every machine; a workload may be unsupported by each, but then says why
 */
export function workloadContract(
  given: Workload,
  params: Record<string, unknown>,
  drivers: readonly BackendDriver[],
): void {
  if (given.schema === undefined) throw new Error(`${given.id} has no schema to keep to`)
  const workload = given as SchemedWorkload
  const opened: Opened[] = []
  beforeAll(async () => {
    for (const driver of drivers) opened.push({ id: driver.id, backend: await driver.open({}) })
  })
  afterAll(async () => {
    for (const { backend } of opened) await backend.close()
  })

  /** On every backend that supports it. */
  async function executions(seed: string): Promise<Made[][]> {
    const all: Made[][] = []
    for (const on of opened) {
      const result = await execute(workload, params, seed, on)
      if (isUnsupported(result)) expect(result.unsupported).not.toBe('')
      else all.push(result)
    }
    return all
  }

  const schema = () => workload.schema(workload.params.parse(params))
  const inputsOf = (made: readonly Made[]) => made.slice(0, schema().filter(({ role }) => role === 'input').length)

  it('describes itself', () => {
    expect(workload.id).toMatch(/^[a-z][a-z0-9]*\.[a-z][a-z0-9-]*$/)
    expect(Number.isSafeInteger(workload.version) && workload.version > 0).toBe(true)
    expect(workload.title).not.toBe('')
    expect(workload.summary.length).toBeGreaterThan(60)
  })

  it('refuses an unknown parameter and names those it has', () => {
    const result = workload.params.safeParse({ ...params, cheese: 1 })
    expect(result.success).toBe(false)
    const messages = (result.error as z.ZodError).issues.map(({ message }) => message)
    expect(messages.join()).toMatch(/"cheese".*it takes/)
  })

  it('reads parameters it has read already, with their defaults, as the same', () => {
    for (const written of [{}, params]) {
      const once = workload.params.parse(written)
      expect(workload.params.parse(once)).toEqual(once)
    }
    expect(workload.schema(params)).toEqual(schema())
  })

  it('has a schema: inputs first, one output at least, each place named once', () => {
    const specs = schema()
    const roles = specs.map(({ role }) => role)
    expect(roles.lastIndexOf('input')).toBe(roles.filter((role) => role === 'input').length - 1)
    expect(roles).toContain('output')
    expect(new Set(specs.map(({ step, name }) => `${step} ${name}`)).size).toBe(specs.length)
    for (const { name, dtype, shape, step } of specs) {
      expect(name).toMatch(/^[a-z][a-z0-9-]*(\/[a-z0-9-]+)*$/)
      expect(dtypes).toContain(dtype)
      expect([...shape, step].every((extent) => Number.isSafeInteger(extent) && extent >= 0)).toBe(true)
    }
  })

  it('makes exactly the checkpoints of its schema, in their order', { timeout: 60_000 }, async () => {
    const expected = schema().map(placeOf)
    for (const made of await executions('42')) {
      expect(made.map(placeOf)).toEqual(expected)
    }
  })

  it('makes the same bits twice, and other inputs from another seed', { timeout: 60_000 }, async () => {
    const [first, second, other] = [await executions('42'), await executions('42'), await executions('43')]
    expect(second).toEqual(first)
    first.forEach((made, i) => {
      const digests = (all: readonly Made[]) => all.map(({ digest }) => digest)
      expect(digests(inputsOf(other[i] as Made[]))).not.toEqual(digests(inputsOf(made)))
    })
  })

  it('draws the same inputs whatever the backend', { timeout: 60_000 }, async () => {
    const [first, ...others] = (await executions('42')).map(inputsOf)
    for (const other of others) expect(other).toEqual(first)
  })

  it('has, where it knows granularities, finer schemas that hold every place of the coarser', () => {
    const places = granularities.flatMap((checkpoints) => {
      const result = workload.params.safeParse({ ...params, checkpoints })
      return result.success ? [workload.schema(result.data).map((spec) => JSON.stringify(spec))] : []
    })
    places.slice(1).forEach((finer, i) => expect(finer).toEqual(expect.arrayContaining(places[i] as string[])))
  })
}

function placeOf({ step, name, dtype, shape }: Omit<CheckpointSpec, 'role'>) {
  return { step, name, dtype, shape: [...shape] }
}
