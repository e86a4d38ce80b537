import { resolve } from 'node:path'
import type { BackendDescription } from '../../shared/backend-description.ts'
import { visibleLine } from '../../shared/visible.ts'
import { backendsOf, readAgentConfig, withState } from '../config.ts'
import { describeBackends } from '../daemon/describe.ts'
import { findRunner } from '../daemon/find-runner.ts'
import { addBackend } from '../provision/add.ts'
import { listChoices } from '../provision/choose.ts'
import { readMachine } from '../provision/machine.ts'
import type { Machine } from '../provision/provider.ts'
import { providers } from '../provision/providers/index.ts'
import { removeBackend } from '../provision/remove.ts'
import { createAddProgress } from './add-progress.ts'

/** What `backends` lists: what the agent's runners say, and what could be added. */
export type BackendRow = Omit<BackendDescription, 'status'> & {
  readonly status: BackendDescription['status'] | 'available'
}

/** `bitfleet backends`: what runs here, what does not and why, and the one command that adds it. */
export async function listBackends({ json, state }: { json?: boolean; state?: string }): Promise<number> {
  const config = withState(readAgentConfig(), state)
  const there = await describeBackends(config)
  const runner = findRunner(config)
  const rows: BackendRow[] = [
    ...there,
    ...addable(there, readMachine(config.environment), state).map(
      (row): BackendRow =>
        // What is installed is driven by the same runners: those first.
        'file' in runner ? row : { ...row, status: 'unavailable', reason: runner.reason, add: runner.add },
    ),
  ]
  process.stdout.write(json ? `${JSON.stringify(rows.map(toRow), null, 2)}\n` : formatBackends(rows))
  return 0
}

/** What Bitfleet installs and is not there; what is not made for this machine says so. */
function addable(there: readonly BackendDescription[], machine: Machine, state: string | undefined): BackendRow[] {
  const option = state === undefined ? '' : ` --state ${state}`
  return listChoices(providers, machine)
    .filter(({ id }) => !there.some((backend) => backend.id === id))
    .map(({ id, provider, version: { version, unsupported, add } }) => ({
      ...{ id, title: provider.title, version, kernels: [], knobs: [] },
      ...(unsupported === undefined
        ? { status: 'available', reason: 'it is not installed', add: `bitfleet backends add ${id}${option}` }
        : { status: 'unavailable', reason: unsupported, add }),
    }))
}

/** Every key stands in every row; what does not apply is null. */
function toRow({ id, version, status, reason, add }: BackendRow) {
  return { id, version: version ?? null, status, reason: reason ?? null, add: add ?? null }
}

export function formatBackends(backends: readonly BackendRow[]): string {
  const width = Math.max(...backends.map(({ id }) => id.length), 0)
  const indent = ' '.repeat(width + 2)
  return backends
    .flatMap(({ id, title, status, version, reason, add, knobs, emulator }) => [
      `${id.padEnd(width)}  ${visibleLine(status === 'ready' ? `${version ?? 'ready'}  ${title}${emulator === undefined ? '' : `, emulated by ${emulator}`}` : status === 'available' ? `can be added: ${title}, ${version}` : `not here: ${reason ?? title}`)}`,
      ...(status === 'ready' ? knobs.map(({ name, values }) => `${indent}${id}.${name}: ${values}`) : []),
      ...(status !== 'ready' && add !== undefined ? [`${indent}→ ${visibleLine(add)}`] : []),
    ])
    .map((line) => `${line}\n`)
    .join('')
}

export interface PlaceOptions {
  /** In place of `BITFLEET_STATE`. */
  readonly state?: string
}

/** `bitfleet backends add NAME@VERSION`: on standard output the folder it is in. */
export async function backendsAdd(id: string, { state, from }: PlaceOptions & { from?: string }): Promise<number> {
  const { stateRoot, environment, runnersFolder } = withState(readAgentConfig(), state)
  const progress = createAddProgress(process.stderr)
  try {
    const { folder, already, installed } = await addBackend(id, {
      ...{ providers, machine: readMachine(environment), environment, runnersFolder, root: backendsOf(stateRoot) },
      from: from === undefined ? undefined : resolve(from),
      progress: progress.show,
    })
    progress.stop()
    process.stderr.write(
      already
        ? `${id} is installed already, at ${installed.version}\n`
        : `${id} is installed, at ${installed.version}; an agent that runs offers it once it is started again\n`,
    )
    process.stdout.write(`${folder}\n`)
    return 0
  } finally {
    progress.stop()
  }
}

/** `bitfleet backends remove NAME@VERSION` */
export async function backendsRemove(id: string, { state }: PlaceOptions): Promise<number> {
  await removeBackend(id, backendsOf(withState(readAgentConfig(), state).stateRoot))
  process.stderr.write(`${id} is removed; an agent that runs offers it until it is started again, and its cells fail\n`)
  return 0
}
