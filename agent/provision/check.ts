import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/execution.ts'
import type { PlannedJob } from '../../shared/messages.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import { openArtifactCache } from '../daemon/artifact-cache.ts'
import { askRunner, type Offer } from '../daemon/describe.ts'
import { runExecution } from '../daemon/execution.ts'
import { createLibraryDigests } from '../daemon/library-digests.ts'
import type { RunnerCommand } from '../daemon/runners.ts'
import { causeOf } from './full-disk.ts'
import type { KnownAnswer } from './provider.ts'

/** A first start from a cold disk takes long with the largest of libraries. */
const limits = { timeMs: 600_000, memoryBytes: 8 * 2 ** 30 }

export interface Subject {
  readonly id: string
  readonly version: string
  readonly command: RunnerCommand
}

/**
 * Starts a new runner as an agent would, and has it say what it is and compute what is known.
 *
 * @param scratch folder for what that leaves; whoever calls removes it
 * @throws `unavailable` where it does not run here; `workload` where it computes something else
 */
export async function checkRunner(
  { id, version, command }: Subject,
  answers: readonly KnownAnswer[],
  environment: Readonly<Record<string, string | undefined>>,
  scratch: string,
): Promise<void> {
  const backends = await askRunner(command, environment)
  const backend = backends.find((offered) => offered.id === id)
  if (backend === undefined) throw unusable(id, `its runner offers ${backends.map((other) => other.id).join(', ')}`)
  if (backend.status !== 'ready') throw unusable(id, backend.reason ?? 'its runner does not say why')
  if (backend.version !== version) throw unusable(id, `its runner is at ${backend.version}, not at ${version}`)
  const offer: Offer = { backend, runner: command }
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  const context = {
    offers: [offer],
    environment,
    scratchRoot: join(scratch, 'runners'),
    cache: openArtifactCache(join(scratch, 'cache'), 1 << 30),
    libraryDigests: createLibraryDigests(),
    keepBytes: 1 << 20,
  }
  for (const answer of answers) {
    const inputs = new Map(answer.inputs.map(({ bytes }) => [digestOf(bytes), bytes]))
    const { execution } = await runExecution(jobOf(id, answer), inputs, context)
    if (execution.outcome.status !== 'completed') {
      throw unusable(id, `it did not compute ${answer.title}: ${howItEnded(execution.outcome)}`)
    }
    for (const [name, expected] of Object.entries(answer.outputs)) {
      const output = execution.outputs.find((candidate) => candidate.name === name)
      if (output?.digest === digestOf(expected.bytes) && output.dtype === expected.dtype) continue
      const bits = output?.bits?.join(' ') ?? output?.digest ?? 'nothing'
      throw new BitfleetError(
        'workload',
        `${id} computed ${answer.title} wrongly: ${name} is ${bits}; it is not installed, and this machine may be at fault`,
      )
    }
  }
}

function unusable(id: string, fact: string): BitfleetError {
  return new BitfleetError('unavailable', `${id} does not run on this machine: ${fact}; it is not installed`, {
    cause: causeOf(fact),
  })
}

function howItEnded(outcome: Outcome): string {
  switch (outcome.status) {
    case 'unsupported':
      return outcome.reason
    case 'failed':
      return outcome.message
    case 'crashed':
      return `its runner died of ${outcome.signal} ${outcome.stderr}`
    default:
      return outcome.status
  }
}

function jobOf(id: string, { workload, params, seed, inputs }: KnownAnswer): PlannedJob {
  return {
    ...{ id: 'check', attempt: 1, run: 'check', cell: 'check', repetition: 0 },
    ...{ workload, workloadVersion: findDescription(workload)?.version ?? 0, params: { ...params }, seed },
    condition: { backend: id, device: 'cpu', knobs: {} },
    inputs: inputs.map(({ bytes, dtype, shape }) => ({ digest: digestOf(bytes), dtype, shape: [...shape] })),
    limits,
  }
}
