import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { sayCleaned } from '../../shared/environment.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { makeFolder } from '../../shared/folder.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import { visibleLine } from '../../shared/visible.ts'
import { createdTokenSchema } from '../api/schemas.ts'
import { readEnvironment } from '../config.ts'
import { connectCoordinator } from '../client/client.ts'
import { sending } from '../client/http.ts'
import { createPeopleClient } from '../client/people.ts'
import { watchToEnd } from '../client/progress.ts'
import { parsePlan, collectInputs } from '../plan/index.ts'
import { exitCodeOf } from '../report/exit-code.ts'
import { exportArtifacts, renderJson, writeReport } from '../report/files.ts'
import type { Report } from '../report/format.ts'
import { renderText } from '../report/text.ts'
import { writePrivate } from '../secret-files.ts'
import { usesColor } from './terminal.ts'

export interface LocalOptions {
  /** The program's own file, to start the two sides from. */
  readonly main: string
  readonly out: string
  readonly exit?: boolean
  readonly artifacts?: 'outputs' | 'all'
  readonly json?: boolean
  /** Keeps variables that select a code path or threads from what computes. */
  readonly clean?: boolean
}

/** A plan's text, and where it stands: its own paths are relative to its folder. */
export interface PlanFile {
  readonly text: string
  readonly name: string
  readonly folder: string
}

/** `bitfleet local`: coordinator, agent, run and report of one plan on this machine. */
export async function local(planPath: string, options: LocalOptions): Promise<number> {
  const path = resolve(planPath)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new BitfleetError('not-found', `cannot read the plan ${planPath}: ${messageOf(cause)}`, { cause })
  })
  let code = 0
  await runLocally({ text, name: planPath, folder: dirname(path) }, options, (report) => {
    code = exitCodeOf(report)
  })
  return code
}

/**
 * Starts a coordinator and an agent as processes of their own, runs the plan, and leaves its report under `out`. On a
 * terminal it then serves the report until Ctrl-C, unless told to end.
 *
 * @param finished called with the report once it is written, before it is served
 */
export async function runLocally(
  plan: PlanFile,
  options: LocalOptions,
  finished: (report: Report) => void | Promise<void>,
): Promise<void> {
  // What is wrong with the plan is said before anything is started or written.
  const parsed = parsePlan(plan.text, plan.name)
  const { inputs, payloads } = await collectInputs(parsed, plan.folder)

  const out = resolve(options.out)
  const storeDir = join(out, 'store')
  const logs = join(out, 'logs')
  const tokenFile = join(logs, 'agent.token')
  await makeFolder(logs, 0o777, 'choose another with --out')
  const unlock = await takeLock(
    logs,
    'another run is being made there; wait for it, or choose another folder with --out',
  )
  if (options.clean) process.stderr.write(`${visibleLine(sayCleaned(readEnvironment()))}\n`)
  const sides: Side[] = []
  const stop = async () => {
    // The agent first, so that it can hand in what it has.
    for (const side of sides.splice(0).reverse()) await endSide(side)
  }
  const interruption = onInterrupt()
  const watching = new AbortController()
  const until = (side: Side, ready: () => Promise<boolean>) =>
    Promise.race([untilReady(side, ready), interruption.happened])
  try {
    const coordinator = startSide('coordinator', out, options.main, ['coordinator', '--store', storeDir, '--port', '0'])
    sides.push(coordinator)
    await until(coordinator, () => hasAddress(join(storeDir, 'coordinator.json'), coordinator))
    const client = await connectCoordinator({ storeDir })
    const { token } = await client.read('/api/tokens', createdTokenSchema, sending('POST', {}))
    await writePrivate(tokenFile, `${token}\n`)
    const agent = startSide('agent', out, options.main, [
      ...['agent', 'start', '--coordinator', client.url, '--token-file', tokenFile],
      ...[
        '--name',
        'local',
        '--state',
        join(out, 'agent'),
        '--slots',
        String(Math.max(1, Math.min(4, availableParallelism()))),
      ],
      ...(options.clean ? ['--clean'] : []),
    ])
    sides.push(agent)
    await until(agent, async () => (await client.listAgents()).length > 0)

    const runId = await client.submitRun({ plan: plan.text, fileName: plan.name, inputs, payloads })
    const ended = watchToEnd(client, runId, { signal: watching.signal })
    await Promise.race([ended, interruption.happened, ...sides.map(diedEarly)])
    const report = await client.getReport(runId)
    await writeReport(report, out)
    if (options.artifacts) await exportArtifacts(report, client.artifacts(runId), out, options.artifacts)

    if (options.json) process.stdout.write(renderJson(report))
    else process.stdout.write(renderText(report, { color: usesColor(process.stdout) }))
    process.stderr.write(`\nReport: ${join(out, 'report.html')} (and .json, .md, .csv)\n`)
    await finished(report)
    if (!process.stdout.isTTY || options.exit) {
      process.stderr.write(`Web:    bitfleet coordinator --store ${storeDir} serves it again, under /runs/${runId}\n`)
    } else {
      const link = await createPeopleClient(client).createLink(`/runs/${runId}`)
      process.stderr.write(
        `Web:    ${link.url}\n` +
          '        signs you in once, within 5 minutes; served until Ctrl-C\n' +
          `        bitfleet people link --store ${storeDir} makes another\n`,
      )
      await Promise.race([interruption.asked, ...sides.map(diedEarly)])
    }
  } finally {
    watching.abort()
    await stop()
    await rm(tokenFile, { force: true })
    interruption.dispose()
    await unlock()
  }
}

interface Side {
  readonly name: string
  readonly process: ChildProcess
  readonly logFile: string
  /** Resolves, never rejects, also where it could not be started. */
  readonly exited: Promise<unknown>
}

/** Output goes to a log file; the channel between the processes ends the side if this process dies first. */
function startSide(name: string, out: string, main: string, argv: readonly string[]): Side {
  const logFile = join(out, 'logs', `${name}.log`)
  const child = spawn(process.execPath, [main, ...argv], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true })
  const log = createWriteStream(logFile)
  // A full disk takes no log; the run itself says what it cannot write.
  log.on('error', () => child.stdout?.resume() && child.stderr?.resume())
  child.stdout?.pipe(log, { end: false })
  child.stderr?.pipe(log, { end: false })
  return { name, process: child, logFile, exited: once(child, 'exit').catch(() => {}) }
}

async function endSide({ process: child, exited }: Side): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await exited
    clearTimeout(timer)
  }
}

/** Rejects when a side ends that should be running. */
async function diedEarly(side: Side): Promise<never> {
  await side.exited
  const { exitCode, signalCode } = side.process
  const how = signalCode === null ? `with code ${exitCode}` : `by ${signalCode}`
  const log = (await readFile(side.logFile, 'utf8').catch(() => '')).trim()
  const last = log === '' ? 'nothing' : `\n${log.split('\n').slice(-5).join('\n')}`
  throw new BitfleetError('unavailable', `the ${side.name} ended early, ${how}; ${side.logFile} says ${last}`)
}

/** Whether this very process has written where it listens; a file left by an earlier one says another's. */
async function hasAddress(path: string, side: Side): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text !== '' && (JSON.parse(text) as { pid: number }).pid === side.process.pid
}

/** An agent asks the runner of each installed backend what it is, emulated ones among them, on a machine that may be busy. */
const startupMs = 300_000

async function untilReady(side: Side, ready: () => Promise<boolean>): Promise<void> {
  const died = diedEarly(side)
  died.catch(() => {})
  const deadline = performance.now() + startupMs
  while (!(await ready())) {
    if (performance.now() > deadline) {
      throw new BitfleetError(
        'unavailable',
        `the ${side.name} was not ready in ${startupMs / 1000} s; see ${side.logFile}`,
      )
    }
    await Promise.race([delay(50), died])
  }
}

/** Ctrl-C or SIGTERM: an error while a run is under way, the way to end while a report is served. */
function onInterrupt(): { happened: Promise<never>; asked: Promise<void>; dispose(): void } {
  let listener = () => {}
  const asked = new Promise<void>((resolve) => {
    listener = resolve
  })
  process.once('SIGINT', listener)
  process.once('SIGTERM', listener)
  const happened = asked.then(() => {
    throw new BitfleetError('usage', 'interrupted; the run was not finished')
  })
  happened.catch(() => {})
  return {
    happened,
    asked,
    dispose() {
      process.off('SIGINT', listener)
      process.off('SIGTERM', listener)
    },
  }
}
