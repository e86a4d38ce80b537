import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Report } from '../../coordinator/report/format.ts'
import { assertConsistent } from '../consistent-report.ts'

/** The built program, run as a person runs it. */
const main = resolve(import.meta.dirname, '../../dist/main.js')

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface Start {
  /** Instead of `node`: a command that starts it, such as `taskset -c 0`. */
  readonly prefix?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
  /** When it is killed; for what hangs. */
  readonly limitMs?: number
}

/** Starts `bitfleet` with a clean state of its own; the caller ends it or waits for its end. */
export function start(argv: readonly string[], { prefix = [], env = {}, cwd, input }: Start = {}): ChildProcess {
  const [file = process.execPath, ...rest] = [...prefix, process.execPath, main, ...argv]
  const child = spawn(file, rest, {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, BITFLEET_STATE: stateOf(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin?.on('error', () => {})
  child.stdin?.end(input ?? '')
  return child
}

export async function bitfleet(argv: readonly string[], options: Start = {}): Promise<Ended> {
  const child = start(argv, options)
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? 170_000)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(timer)
  return { code, signal, stdout, stderr }
}

const folders: string[] = []

/** A folder that `cleanUp` removes. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'bitfleet-e2e-'))
  folders.push(made)
  return made
}

let state: string | undefined
function stateOf(): string {
  state ??= folder()
  return state
}

export function cleanUp(): void {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true })
  state = undefined
}

/** Runs a plan by `bitfleet local`, and reads the report it left. */
export async function runPlan(
  plan: string,
  options: Start & { readonly argv?: readonly string[]; readonly out?: string } = {},
): Promise<Ended & { report: Report; out: string }> {
  const out = options.out ?? folder()
  const file = join(options.cwd ?? out, 'plan.yaml')
  writeFileSync(file, plan)
  const ended = await bitfleet(['local', file, '--out', out, '--exit', ...(options.argv ?? [])], options)
  if (ended.code === 2 || ended.code === null)
    throw new Error(`bitfleet local: ${ended.code} ${ended.signal}\n${ended.stderr}`)
  return { ...ended, out, report: readReport(out) }
}

/** Every report that a test reads must agree with itself. */
export function readReport(out: string): Report {
  const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report
  assertConsistent(report)
  return report
}

/** The tensors that `--artifacts` exported: payload digest, and file below `artifacts/`. */
export function readExport(out: string): { digest: string; file: string }[] {
  const text = readFileSync(join(out, 'artifacts', 'index.json'), 'utf8')
  const { tensors } = JSON.parse(text) as { tensors: { digest: string; file: string | null }[] }
  return tensors.flatMap(({ digest, file }) => (file === null ? [] : [{ digest, file }]))
}

/** Asks a coordinator on this machine something of its API, as whoever can read its store. */
export function api(store: string, path: string): Promise<Response> {
  const { url } = JSON.parse(readFileSync(join(store, 'coordinator.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(store, 'api.token'), 'utf8').trim()
  return fetch(`${url}${path}`, { headers: { Authorization: `Bearer ${token}` } })
}

/** Waits until a condition holds, for a bounded time. */
export async function until(what: string, ready: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!(await ready())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`)
    await delay(50)
  }
}

/** Starts a coordinator and waits until it listens. @returns its process and address */
export async function startCoordinator(
  store: string,
  argv: readonly string[] = ['--port', '0'],
  options: Start = {},
): Promise<{ child: ChildProcess; url: string; log: () => string }> {
  const address = join(store, 'coordinator.json')
  rmSync(address, { force: true })
  const child = start(['coordinator', '--store', store, ...argv], options)
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  await until('the coordinator', () => {
    if (child.exitCode !== null) throw new Error(`the coordinator ended with ${child.exitCode}:\n${log}`)
    return existsSync(address)
  })
  const { url } = JSON.parse(readFileSync(address, 'utf8')) as { url: string }
  return { child, url, log: () => log }
}

/** A token for one machine. */
export async function createToken(store: string, argv: readonly string[] = []): Promise<string> {
  const { stdout, stderr, code } = await bitfleet(['token', 'create', '--store', store, ...argv])
  if (code !== 0) throw new Error(`bitfleet token create: ${code}\n${stderr}`)
  return stdout.trim()
}

/** Starts an agent that enrols with a token of its own. */
export async function startAgent(
  store: string,
  url: string,
  argv: readonly string[] = [],
  options: Start = {},
): Promise<ChildProcess> {
  const BITFLEET_TOKEN = await createToken(store)
  return start(['agent', 'start', '--coordinator', url, ...argv], {
    ...options,
    env: { BITFLEET_TOKEN, ...options.env },
  })
}

/** Ends a process by its id and waits for it. */
export async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await exited
  clearTimeout(timer)
  return child.exitCode
}
