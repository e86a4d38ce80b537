import { canonicalJson } from '../../shared/canonical-json.ts'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError, type ErrorCode, isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { Execution } from '../../shared/execution.ts'
import type { JobInput } from '../../shared/messages.ts'
import { createPlaceCheck } from '../../shared/places.ts'
import { elementCount, tensorFromBits } from '../../shared/tensor.ts'
import { parseTrace, type Trace } from '../../shared/trace.ts'
import type { CheckpointSpec, WorkloadDescription } from '../../workloads/workload.ts'
import type { CellRecord } from '../records.ts'
import { checkInputs } from './check-inputs.ts'
import { checkSettings, hasSoundSettings } from './check-settings.ts'
import { decodeUtf8 } from '../../shared/utf8.ts'

export type FindDescription = (workload: string) => WorkloadDescription | undefined

export interface CheckedResult {
  /** What the agent said, or a failed execution that says what was wrong with it. */
  readonly execution: Execution
  /** The trace in its file form, exactly where the execution completed. */
  readonly traceText?: string
}

const maxOutputBits = 16

/**
 * Holds a result against what can be recomputed of it: the trace's digest, the outputs' bits, the workload's checkpoint
 * schema. A lie is recorded as a failure of that execution, never as its bits.
 */
export function checkResult(
  cell: CellRecord,
  inputs: readonly JobInput[],
  execution: Execution,
  body: Uint8Array | undefined,
  findDescription: FindDescription,
): CheckedResult {
  try {
    // Text that no record can hold is found here, not when it is written.
    canonicalJson(execution)
    checkSettings(execution, cell)
    if (execution.outcome.status !== 'completed') {
      if (execution.trace !== undefined || execution.inputs !== undefined || execution.outputs.length > 0) {
        throw new BitfleetError(
          'protocol',
          `the execution ${execution.outcome.status} and yet has a trace, inputs or outputs`,
        )
      }
      return { execution }
    }
    const traceText = readBody(execution, body)
    const trace = parseTrace(traceText)
    if (trace.digest !== execution.trace) {
      throw new BitfleetError(
        'digest-mismatch',
        `the agent claims trace ${execution.trace}, the lines it sent have ${trace.digest}`,
      )
    }
    const description = findDescription(cell.workload)
    const specs = description && specsOf(cell, inputs, description)
    if (specs) checkSpecs(trace, specs, `${cell.workload} v${cell.workloadVersion}`)
    else if (description?.version === cell.workloadVersion) checkPlaces(trace)
    checkInputs(execution.inputs, trace, description)
    for (const output of execution.outputs) checkOutput(output, trace)
    checkNames(execution.outputs, specs)
    return { execution, traceText }
  } catch (error) {
    const code = isBitfleetError(error) ? error.code : 'protocol'
    const said = hasSoundSettings(execution, cell)
      ? execution
      : { ...execution, settings: undefined, ambient: undefined }
    return { execution: failedExecution(code === 'digest-mismatch' ? code : 'protocol', messageOf(error), said) }
  }
}

/** An execution that failed for what its agent said; what it said of its surroundings is kept where it is text. */
export function failedExecution(code: ErrorCode, message: string, said?: Execution): Execution {
  const failed: Execution = {
    outcome: { status: 'failed', code, message: message.toWellFormed(), stderr: '' },
    label: said?.label ?? 'native',
    effective: said?.effective ?? {},
    settings: said?.settings,
    ambient: said?.ambient,
    facts: said?.facts ?? {},
    notes: said?.notes ?? [],
    ...(said?.version === undefined ? {} : { version: said.version }),
    outputs: [],
    resources: said?.resources ?? { wallMs: 0 },
    log: said?.log ?? '',
  }
  if (said === undefined || isWellFormed(failed)) return failed
  return failedExecution(code, message)
}

function isWellFormed(value: unknown): boolean {
  try {
    canonicalJson(value)
    return true
  } catch {
    return false
  }
}

function readBody(execution: Execution, body: Uint8Array | undefined): string {
  if (execution.trace === undefined || body === undefined) {
    throw new BitfleetError('protocol', 'the execution completed, but no trace came with it')
  }
  try {
    return decodeUtf8(body)
  } catch (cause) {
    throw new BitfleetError('protocol', 'the trace is not UTF-8', { cause })
  }
}

function checkOutput({ name, dtype, shape, digest, bits }: Execution['outputs'][number], trace: Trace): void {
  const checkpoint = trace.checkpoints.findLast((candidate) => candidate.name === name)
  if (!checkpoint || checkpoint.dtype !== dtype || !equalShapes(checkpoint.shape, shape)) {
    throw new BitfleetError('protocol', `output "${name}" ${dtype}[${shape}] is no checkpoint of the trace`)
  }
  if (checkpoint.digest !== digest) {
    throw new BitfleetError(
      'digest-mismatch',
      `output "${name}" is said to be ${digest}, its checkpoint in the trace is ${checkpoint.digest}`,
    )
  }
  if (bits === undefined) return
  if (elementCount(shape) > maxOutputBits) {
    throw new BitfleetError(
      'protocol',
      `output "${name}" has bits for ${elementCount(shape)} elements; at most ${maxOutputBits} go along`,
    )
  }
  const actual = digestOf(tensorFromBits(dtype, shape, bits).bytes)
  if (actual !== digest) {
    throw new BitfleetError('digest-mismatch', `the bits of output "${name}" have the digest ${actual}, not ${digest}`)
  }
}

/** Undefined where this coordinator has no schema of the workload at this version. */
function specsOf(
  { params, workloadVersion }: CellRecord,
  inputs: readonly JobInput[],
  { version, schema, params: parser }: WorkloadDescription,
): readonly CheckpointSpec[] | undefined {
  return version === workloadVersion ? schema?.(parser.parse(params), inputs) : undefined
}

/**
 * Outputs stand in reports by name.
 *
 * @throws `protocol` for a name that comes twice, and where a schema says which the outputs are, for others than those
 */
function checkNames(outputs: Execution['outputs'], specs: readonly CheckpointSpec[] | undefined): void {
  const names = new Set(outputs.map(({ name }) => name))
  if (names.size < outputs.length) throw new BitfleetError('protocol', 'an output is named twice')
  if (specs === undefined) return
  // As the agent finds them: the last of a name is the final one.
  const last = new Map(specs.map(({ name, role }) => [name, role]))
  const due = new Set([...last].flatMap(([name, role]) => (role === 'output' ? [name] : [])))
  const missing = [...due].find((name) => !names.has(name))
  if (missing !== undefined) throw new BitfleetError('protocol', `the output "${missing}" is not among those it names`)
  const other = [...names].find((name) => !due.has(name))
  if (other !== undefined)
    throw new BitfleetError('protocol', `the checkpoint "${other}" is not an output of the workload`)
}

/** @throws `protocol` for the first checkpoint that is not the schema's; `digest-mismatch` for an array that was not brought */
function checkSpecs({ checkpoints }: Trace, specs: readonly CheckpointSpec[], what: string): void {
  if (specs.length !== checkpoints.length) {
    throw new BitfleetError(
      'protocol',
      `the trace has ${checkpoints.length} checkpoints, ${what} makes ${specs.length}`,
    )
  }
  specs.forEach((spec, i) => {
    const found = checkpoints[i]
    if (
      found?.name === spec.name &&
      found.step === spec.step &&
      found.dtype === spec.dtype &&
      equalShapes(found.shape, spec.shape)
    ) {
      if (spec.digest === undefined || spec.digest === found.digest) return
      throw new BitfleetError(
        'digest-mismatch',
        `checkpoint ${i} "${spec.name}" has the digest ${found.digest}, the plan pins ${spec.digest}`,
      )
    }
    throw new BitfleetError(
      'protocol',
      `checkpoint ${i} of the trace is "${found?.name}" ${found?.dtype}[${found?.shape}] at step ${found?.step}; ` +
        `${what} makes "${spec.name}" ${spec.dtype}[${spec.shape}] at step ${spec.step}`,
    )
  })
}

function checkPlaces({ checkpoints }: Trace): void {
  const faultOf = createPlaceCheck()
  for (const checkpoint of checkpoints) {
    const fault = faultOf(checkpoint)
    if (fault !== undefined) throw new BitfleetError('protocol', `checkpoint ${checkpoint.seq} of the trace: ${fault}`)
  }
}

function equalShapes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i])
}
