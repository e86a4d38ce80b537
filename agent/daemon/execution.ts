import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BackendDescription } from '../../shared/backend-description.ts'
import type { Knobs } from '../../shared/condition.ts'
import type { Digest } from '../../shared/digest.ts'
import { isCodePathFlag } from '../../shared/environment.ts'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { Execution, Note, Outcome } from '../../shared/execution.ts'
import { type Facts, partFacts } from '../../shared/facts.ts'
import type { PlannedJob } from '../../shared/messages.ts'
import type { SignedResult } from '../../shared/signed-result.ts'
import { formatTrace } from '../../shared/trace.ts'
import { programIdSchema } from '../programs/entry.ts'
import { listChoices } from '../provision/choose.ts'
import { readMachine } from '../provision/machine.ts'
import { providers } from '../provision/providers/index.ts'
import { runnerProtocolVersion, type RunnerEvent, type RunnerRequest } from '../runner/protocol.ts'
import type { ArtifactCache } from './artifact-cache.ts'
import { collectCheckpoints } from './checkpoints.ts'
import type { Offer } from './describe.ts'
import type { LibraryDigests } from './library-digests.ts'
import { environmentFacts, environmentNotes, type RunnerStart, runnerStart } from './runner-environment.ts'
import { runRunner, type RunnerEnd } from './runner-process.ts'
import { launchOf } from './runners.ts'
import { makeScratch, type Scratch } from './scratch.ts'
import { type ReadBack, settingsOf } from './settings.ts'
import { killStrays } from './strays.ts'

/** What an execution is made with, the same for all of an agent's. */
export interface ExecutionContext {
  readonly offers: readonly Offer[]
  /** The agent's own environment. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where scratch folders are made; on the file system of the cache. */
  readonly scratchRoot: string
  readonly cache: ArtifactCache
  readonly libraryDigests: LibraryDigests
  /** Bytes of tensors kept of one execution. */
  readonly keepBytes: number
}

export interface ExecutionResult {
  readonly execution: Execution
  /** The trace in its file form, where the execution completed. */
  readonly trace?: string
  /** The tensors that the cache now holds of it. */
  readonly kept: readonly KeptTensor[]
  /** What the agent says of it, once it has signed. */
  readonly signed?: SignedResult
}

export interface KeptTensor {
  readonly digest: Digest
  /** In bytes. */
  readonly length: number
}

/** Lines of stderr that stand in an outcome. */
const stderrLines = 10

/**
 * Makes one execution in a process of its own. Whatever happens to it is its outcome, and nothing is thrown. Nothing of it
 * is left behind; a note says so where something is.
 *
 * @param inputs bytes of the user's own arrays, by digest
 */
export async function runExecution(
  job: PlannedJob,
  inputs: ReadonlyMap<string, Uint8Array>,
  context: ExecutionContext,
  cancelled?: AbortSignal,
): Promise<ExecutionResult> {
  const { backend, knobs } = job.condition
  const offer = context.offers.find((candidate) => candidate.backend.id === backend)
  const description = offer?.backend
  let label = labelOf(description, knobs)
  const without = (outcome: Outcome) => ({ execution: bareExecution(label, outcome), kept: [] })

  if (offer === undefined || description === undefined)
    return without({
      status: 'unsupported',
      reason: lacking(job, context.environment),
    })
  const { runner } = offer
  if (description.status !== 'ready' || runner === undefined)
    return without({ status: 'unsupported', reason: unavailableReason(description) })
  if (job.condition.device !== 'cpu') {
    return without({ status: 'unsupported', reason: `${backend} has no device ${job.condition.device} on this agent` })
  }

  let scratch: Scratch | undefined
  let result: ExecutionResult
  try {
    scratch = makeScratch(context.scratchRoot)
    const { folder: own, temporary } = scratch
    const folders = { tensors: join(own, 'tensors'), temporary, inputs: join(own, 'inputs') }
    for (const folder of Object.values(folders)) mkdirSync(folder)
    const start = runnerStart(context.environment, description.knobs, knobs, folders.temporary, runner.environment)
    label = labelOf(description, knobs, start.choosesCodePath || runner.argv.some(isCodePathFlag))
    const end = await runRunner(
      {
        ...launchOf(runner, { nodeArguments: start.nodeArguments }),
        environment: start.environment,
        workingFolder: folders.temporary,
      },
      requestOf(job, inputs, folders, context.keepBytes),
      job.limits,
      cancelled,
    )
    result = await conclude(job, end, start, label, folders.tensors, context)
  } catch (error) {
    result = without(failed(error))
  }
  if (scratch === undefined) return result
  killStrays(scratch.temporary)
  const left = scratch.remove()
  if (scratch.limit !== undefined) result = withNote(result, `no Unix socket can be made in TMPDIR: ${scratch.limit}`)
  return left === undefined ? result : withNote(result, `what it wrote on the agent's machine was not removed: ${left}`)
}

function withNote({ execution, ...rest }: ExecutionResult, message: string): ExecutionResult {
  const note = { kind: 'warning' as const, subject: 'scratch', message }
  return { ...rest, execution: { ...execution, notes: [...execution.notes, note] } }
}

/** An execution of which nothing more is known than how it ended. */
export function bareExecution(label: Execution['label'], outcome: Outcome): Execution {
  return { outcome, label, effective: {}, facts: {}, notes: [], outputs: [], resources: { wallMs: 0 }, log: '' }
}

/**
 * `emulated` if the runner said that its processor is; `override` if a knob chooses another processor's code path, or
 * something besides the knobs does.
 */
export function labelOf(
  described: Pick<BackendDescription, 'knobs' | 'emulator'> | undefined,
  knobs: Knobs,
  choosesCodePath = false,
): Execution['label'] {
  if (described?.emulator !== undefined) return 'emulated'
  if (choosesCodePath) return 'override'
  return described?.knobs.some(({ name, override }) => override && Object.hasOwn(knobs, name)) ? 'override' : 'native'
}

/** Why a job's backend is not there, and what its machine's owner does about it. */
function lacking(
  { workload, condition: { backend } }: PlannedJob,
  environment: ExecutionContext['environment'],
): string {
  if (workload === 'program') {
    // A name that could be no program's is nobody's to type.
    const command = programIdSchema.safeParse(backend).success
      ? `bitfleet programs add ${backend} -- /path/to/program`
      : 'bitfleet programs add'
    return `no program ${backend} is listed on this machine; its owner lists it: ${command}`
  }
  return `this agent has no backend ${backend}${howToAdd(backend, environment)}`
}

/** For what Bitfleet installs on this machine, the command; it is the machine's owner who decides. */
function howToAdd(backend: string, environment: ExecutionContext['environment']): string {
  const choice = listChoices(providers, readMachine(environment)).find(({ id }) => id === backend)
  if (choice === undefined) return ''
  const { unsupported, add } = choice.version
  if (unsupported === undefined) return `; to add it: bitfleet backends add ${backend}`
  return `: ${unsupported}${add === undefined ? '' : `; to add that: ${add}`}`
}

function unavailableReason({ id, reason, add }: BackendDescription): string {
  return `${id} does not run on this agent: ${reason ?? 'it is not there'}${add === undefined ? '' : `; to add it: ${add}`}`
}

function failed(error: unknown, stderr = ''): Outcome {
  return { status: 'failed', code: isBitfleetError(error) ? error.code : 'internal', message: messageOf(error), stderr }
}

function requestOf(
  job: PlannedJob,
  inputs: ReadonlyMap<string, Uint8Array>,
  folders: { tensors: string; inputs: string },
  keepBytes: number,
): RunnerRequest {
  return {
    protocol: runnerProtocolVersion,
    workload: job.workload,
    workloadVersion: job.workloadVersion,
    params: job.params,
    seed: job.seed,
    condition: job.condition,
    inputs: job.inputs.map((input) => {
      const bytes = inputs.get(input.digest)
      if (bytes === undefined) throw new BitfleetError('not-found', `input ${input.digest} did not reach this agent`)
      const file = join(folders.inputs, input.digest.slice('sha256:'.length))
      writeFileSync(file, bytes)
      return { ...input, file }
    }),
    scratch: folders.tensors,
    keepBytes,
  }
}

/** Makes what a runner said, and how it ended, into an execution; checks every digest it claimed for bytes it left. */
async function conclude(
  job: PlannedJob,
  end: RunnerEnd,
  start: RunnerStart,
  label: Execution['label'],
  tensorFolder: string,
  context: ExecutionContext,
): Promise<ExecutionResult> {
  const { events } = end
  const said = gather(events)
  const outcome = outcomeOf(job, end)
  const { settings, notes: own } = settingsOf(job.condition.knobs, said, whyUnread(job, outcome))
  const base: Execution = {
    outcome,
    version: said.version,
    // What it said now, over what was said when it was described.
    label: said.facts.emulator === undefined ? label : 'emulated',
    effective: said.settings,
    settings,
    ambient: { ...start.ambient },
    facts: {
      ...partFacts(said.facts).facts,
      ...environmentFacts(start.environment),
      ...(await context.libraryDigests(said.mapped)),
    },
    notes: [...own, ...environmentNotes(context.environment, start)],
    outputs: [],
    resources: {
      wallMs: end.wallMs,
      cpuMs: said.cpuMs,
      maxRssBytes: Math.max(end.maxRssBytes ?? 0, said.maxRssBytes ?? 0) || undefined,
    },
    log: [end.stdout, end.stderr].filter((text) => text !== '').join('\n'),
  }
  if (base.outcome.status !== 'completed') return { execution: base, kept: [] }

  try {
    const { trace, outputs, inputs, kept, leftOut } = await collectCheckpoints(events, tensorFolder, context.cache)
    const notes = leftOut === 0 ? base.notes : [...base.notes, notKeptNote(leftOut, context.keepBytes)]
    const execution: Execution = { ...base, notes, trace: trace.digest, outputs: [...outputs] }
    // Of any other workload its schema says what is an input.
    if (job.workload === 'program') execution.inputs = [...inputs]
    return {
      execution,
      trace: formatTrace(trace),
      kept,
    }
  } catch (error) {
    return { execution: { ...base, outcome: failed(error, lastLines(end.stderr)) }, kept: [] }
  }
}

function notKeptNote(count: number, keepBytes: number): Note {
  return {
    kind: 'limit',
    subject: 'checkpoints',
    message: `${count} checkpoints were digested and not kept: an execution keeps ${keepBytes} bytes`,
  }
}

/** Why a knob is unknown whose backend does not say why. */
function whyUnread({ workload }: PlannedJob, { status }: Outcome): string | undefined {
  if (status !== 'completed') return 'it was not read back before the execution ended'
  return workload === 'program' ? 'the program does not say which value it read' : undefined
}

interface Said extends ReadBack {
  readonly version?: string
  readonly facts: Facts
  readonly mapped: readonly string[]
  readonly cpuMs?: number
  readonly maxRssBytes?: number
}

/** All that a runner told of itself; of what it said twice, the later. */
function gather(events: readonly RunnerEvent[]): Said {
  let said: Said = { settings: {}, reasons: {}, facts: {}, notes: [], mapped: [] }
  for (const event of events) {
    if (event.type === 'started') said = { ...said, version: event.version }
    else if (event.type === 'effective') {
      said = {
        ...said,
        settings: { ...said.settings, ...event.settings },
        reasons: event.reasons ?? {},
        facts: { ...said.facts, ...event.facts },
        notes: event.notes,
        mapped: event.mapped ?? said.mapped,
      }
    } else if (event.type !== 'checkpoint') said = { ...said, cpuMs: event.cpuMs, maxRssBytes: event.maxRssBytes }
  }
  return said
}

function outcomeOf(job: PlannedJob, { events, interruption, exitCode, signal, ...log }: RunnerEnd): Outcome {
  const stderr = lastLines(log.stderr)
  if (interruption?.why === 'cancelled') return { status: 'cancelled' }
  if (interruption?.why === 'time') return { status: 'timed-out', limitMs: job.limits.timeMs, stderr }
  if (interruption?.why === 'memory') {
    const message = `the runner held ${interruption.bytes} bytes, over its limit of ${job.limits.memoryBytes}`
    return { status: 'failed', code: 'limit', message, stderr }
  }
  if (interruption?.why === 'protocol') {
    return {
      status: 'failed',
      code: 'protocol',
      message: `the runner broke its protocol: ${interruption.fact}`,
      stderr,
    }
  }
  const words = events.at(-1)
  switch (words?.type) {
    case 'finished':
      return { status: 'completed' }
    case 'unsupported':
      return { status: 'unsupported', reason: words.reason }
    case 'crashed':
      return { status: 'crashed', signal: words.signal, stderr }
    case 'failed':
      return { status: 'failed', code: words.code, message: words.message, stderr }
    default:
      if (signal !== null) return { status: 'crashed', signal, stderr }
      return {
        status: 'failed',
        code: 'internal',
        message: `the runner ended with code ${exitCode} and did not say how its execution went`,
        stderr,
      }
  }
}

function lastLines(text: string): string {
  return text.split('\n').slice(-stderrLines).join('\n')
}
