import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ArrayReference, findArray } from '../../shared/array-identity.ts'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { Facts } from '../../shared/facts.ts'
import { createTensor, dtypeBytes, elementCount, type Tensor } from '../../shared/tensor.ts'
import { isUnsupported } from '../../workloads/kernels.ts'
import type { CheckpointSpec, ListedProgram, Workload } from '../../workloads/workload.ts'
import type { Backend } from '../backends/backend.ts'
import { createSubstitutions, type Substitutions } from '../backends/substitutions.ts'
import { observeAfter, observeBefore } from '../inventory/process.ts'
import { ProgramCrash } from '../programs/run.ts'
import type { LastWords, RunnerEvent, RunnerRequest } from './protocol.ts'
import type { RunnerRegistry } from './registry.ts'

/** Elements up to which an output's bits stand in a report, so that its bytes are always kept. */
const smallOutput = 16

type Emit = (event: RunnerEvent) => void

/**
 * Makes one execution, telling its events as they happen.
 *
 * @returns the last words, which the caller sends when nothing else can go wrong
 */
export async function compute(request: RunnerRequest, registry: RunnerRegistry, emit: Emit): Promise<LastWords> {
  const { condition } = request
  const workload = registry.workloads.find(({ id }) => id === request.workload)
  if (workload === undefined) return unsupported(`this agent has no workload ${request.workload}`)
  if (workload.version !== request.workloadVersion) {
    return unsupported(
      `this agent has ${workload.id} version ${workload.version}, the run asks for version ${request.workloadVersion}`,
    )
  }
  const driver = registry.backends.find(({ id }) => id === condition.backend)
  if (driver === undefined) return unsupported(`this agent has no backend ${condition.backend}`)

  // Observed before the library is loaded: loading alone may change the floating-point mode of the process.
  const before = driver.elsewhere ? {} : await observeBefore()
  const backend = await driver.open(condition.knobs)
  const substitutions = createSubstitutions()
  const effective = async (facts: Facts) => {
    const said = await backend.effective()
    return {
      settings: { ...said.settings },
      reasons: { ...said.reasons },
      facts: { ...facts, ...said.facts },
      notes: [...said.notes, ...substitutions.notes()],
    }
  }
  try {
    emit({ type: 'started', version: backend.version, pid: process.pid })
    emit({ type: 'effective', ...(await effective(before)) })
    const outcome = await runWorkload(workload, request, backend, substitutions, emit)
    if (driver.elsewhere) return outcome
    const { facts, mapped } = await observeAfter()
    emit({ type: 'effective', ...(await effective(facts)), mapped })
    return outcome
  } finally {
    await backend.close()
  }
}

function unsupported(reason: string): LastWords {
  return { type: 'unsupported', reason }
}

async function runWorkload(
  workload: Workload,
  request: RunnerRequest,
  backend: Backend,
  substitutions: Substitutions,
  emit: Emit,
): Promise<LastWords> {
  const params = parseParams(workload, request.params)
  const recorder = createRecorder(workload, workload.schema?.(params, request.inputs), request, emit)
  const result = await workload.run({
    params,
    seed: request.seed,
    backend: request.condition.backend,
    kernels: backend.kernels,
    tf: backend.tf,
    input: (array) => readInput(request, array),
    program: backend.program && listedProgram(backend.program, emit),
    checkpoint: (step, name, tensor, role) => recorder.checkpoint(step, name, tensor, role),
    substituted: (kernel, message) => substitutions.add(kernel, message),
  })
  if (isUnsupported(result)) return unsupported(result.unsupported)
  recorder.complete()
  return { type: 'finished' }
}

function listedProgram({ name, run }: NonNullable<Backend['program']>, emit: Emit): ListedProgram {
  return { name, run: (...asked) => run(...asked, (told) => emit({ type: 'effective', ...told })) }
}

function parseParams(workload: Workload, params: Record<string, unknown>): Record<string, unknown> {
  const parsed = workload.params.safeParse(params)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'parameters'}: ${message}`)
  throw new BitfleetError('usage', `${workload.id}: ${issues.join('; ')}`)
}

/** A user's own array, checked against the digest that pins it. */
function readInput({ inputs }: RunnerRequest, reference: ArrayReference): Tensor {
  const input = findArray(inputs, reference)
  const bytes = new Uint8Array(readFileSync(input.file))
  if (digestOf(bytes) !== input.digest)
    throw new BitfleetError('digest-mismatch', `input ${input.digest} has other bytes on this agent`)
  return createTensor(input.dtype, input.shape, bytes)
}

/**
 * Digests checkpoints as they are made, keeps their bytes while there is room, and holds the workload to its schema where
 * it has one.
 */
function createRecorder(
  workload: Workload,
  schema: readonly CheckpointSpec[] | undefined,
  request: RunnerRequest,
  emit: Emit,
) {
  let seq = 0
  let room = request.keepBytes
  /** Kept in case the workload swallows what is thrown into it. */
  let broken: BitfleetError | undefined

  const breakOff = (fact: string): never => {
    broken ??= new BitfleetError('workload', `${workload.id} broke its checkpoint schema: ${fact}`)
    throw broken
  }
  /** The role that the schema gives to the next checkpoint, which must be the schema's. */
  const roleBySchema = (specs: readonly CheckpointSpec[], step: number, name: string, { dtype, shape }: Tensor) => {
    const spec = specs[seq]
    const made = `${name} at step ${step}, ${dtype}[${shape}]`
    if (spec === undefined) return breakOff(`after all ${specs.length} checkpoints it made ${made}`)
    const same =
      spec.step === step && spec.name === name && spec.dtype === dtype && String(spec.shape) === String(shape)
    if (!same) {
      return breakOff(
        `checkpoint ${seq} is ${made}, not ${spec.name} at step ${spec.step}, ${spec.dtype}[${spec.shape}]`,
      )
    }
    return spec.role
  }

  return {
    checkpoint(step: number, name: string, tensor: Tensor, said: CheckpointSpec['role'] = 'intermediate'): void {
      const role = schema === undefined ? said : roleBySchema(schema, step, name, tensor)
      const { dtype, shape, bytes } = tensor
      const expected = elementCount(shape) * dtypeBytes[dtype]
      if (bytes.byteLength !== expected) {
        breakOff(`${name} at step ${step}, ${dtype}[${shape}] has ${bytes.byteLength} bytes, not ${expected}`)
      }
      const small = role === 'output' && elementCount(shape) <= smallOutput
      const kept = small || bytes.byteLength <= room
      const file = kept ? `${seq}.bin` : undefined
      if (file !== undefined) {
        writeFileSync(join(request.scratch, file), bytes, { flag: 'wx', mode: 0o600 })
        room -= small ? 0 : bytes.byteLength
      }
      emit({ type: 'checkpoint', seq, step, name, dtype, shape: [...shape], digest: digestOf(bytes), role, file })
      seq++
    },
    /** @throws `workload` unless every checkpoint was made. */
    complete(): void {
      if (broken !== undefined) throw broken
      if (schema !== undefined && seq < schema.length) {
        breakOff(`it ended after ${seq} of ${schema.length} checkpoints`)
      }
    },
  }
}

/** What a thrown thing becomes as last words. */
export function failureOf(error: unknown): LastWords {
  if (error instanceof ProgramCrash) return { type: 'crashed', signal: error.signal }
  return { type: 'failed', code: isBitfleetError(error) ? error.code : 'internal', message: messageOf(error) }
}
