import { spawn } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import type { Knobs } from '../shared/condition.ts'
import { entryPoint } from '../shared/entry-point.ts'
import type { Note, Setting } from '../shared/execution.ts'
import { createTensor, type DType, type Tensor } from '../shared/tensor.ts'
import type { KernelName } from '../workloads/kernels.ts'
import type { BackendDriver } from '../agent/backends/backend.ts'
import { settingsOf } from '../agent/daemon/settings.ts'

/** One call of a kernel; operands that are no tensors go as they are. */
export interface Call {
  readonly kernel: KernelName
  readonly operands: readonly (Tensor | string)[]
}

/** What a process of its own under a condition made of some calls, or how it died. */
export interface Answer {
  readonly signal: string | null
  readonly exitCode: number | null
  readonly stderr: string
  readonly results: readonly (Tensor | { readonly unsupported: string })[]
  readonly settings: Readonly<Record<string, string>>
  /** What the agent makes of them, by knob. */
  readonly states: Readonly<Record<string, Setting>>
  readonly facts: Readonly<Record<string, string>>
  readonly notes: readonly Note[]
}

/** Runs in the child: opens the backend, calls its kernels, reads back what was in force. */
const script = `
import { readFileSync } from 'node:fs'
const { driverUrl, id, knobs, calls } = JSON.parse(readFileSync(0, 'utf8'))
const driver = Object.values(await import(driverUrl)).find((value) => value?.id === id)
const revive = (operand) =>
  typeof operand === 'string' ? operand : { ...operand, bytes: new Uint8Array(Buffer.from(operand.bytes, 'base64')) }
const backend = await driver.open(knobs)
const results = []
for (const { kernel, operands } of calls) {
  const result = await backend.kernels[kernel](...operands.map(revive))
  results.push('unsupported' in result ? result : { ...result, bytes: Buffer.from(result.bytes).toString('base64') })
}
process.stdout.write(JSON.stringify({ results, ...(await backend.effective()) }))
`

/**
 * Calls a backend's kernels in a process of its own whose environment puts the knobs into force, as a runner's does.
 * Runs the built driver, so the build comes first.
 */
export async function underCondition(driver: BackendDriver, knobs: Knobs, calls: readonly Call[]): Promise<Answer> {
  const environment: Record<string, string> = {}
  for (const { name, apply } of driver.knobs) {
    if (apply.by === 'env' && knobs[name] !== undefined) {
      environment[apply.variable] = apply.template.replace('%s', String(knobs[name]))
    }
  }
  const driverUrl = pathToFileURL(entryPoint(import.meta.url, `../agent/backends/${driver.id}.ts`)).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env: environment, timeout: 60_000 })
  // A child that dies before it has read everything is an answer, not an error of ours.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify({ driverUrl, id: driver.id, knobs, calls: calls.map(flatten) }))
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    return chunks
  }) as [Buffer[], Buffer[]]
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  const log = Buffer.concat(stderr).toString()
  const text = Buffer.concat(stdout).toString()
  if (code !== 0 || text === '') {
    return { signal, exitCode: code, stderr: log, results: [], settings: {}, states: {}, facts: {}, notes: [] }
  }
  const answer = JSON.parse(text) as Answer & {
    results: (FlatTensor | { unsupported: string })[]
    reasons?: Record<string, string>
  }
  const { settings: states } = settingsOf(knobs, { reasons: {}, ...answer })
  return { ...answer, states, signal, exitCode: code, stderr: log, results: answer.results.map(revive) }
}

interface FlatTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: string
}

function flatten({ kernel, operands }: Call) {
  return {
    kernel,
    operands: operands.map((operand) =>
      typeof operand === 'string' ? operand : { ...operand, bytes: Buffer.from(operand.bytes).toString('base64') },
    ),
  }
}

function revive(result: FlatTensor | { unsupported: string }): Tensor | { unsupported: string } {
  if ('unsupported' in result) return result
  return createTensor(result.dtype, result.shape, new Uint8Array(Buffer.from(result.bytes, 'base64')))
}
