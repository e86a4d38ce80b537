import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { digestOf } from '../../shared/digest.ts'
import { sayCleaned } from '../../shared/environment.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { makeFolder } from '../../shared/folder.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import { visibleLine } from '../../shared/visible.ts'
import { createdTokenSchema } from '../api/schemas.ts'
import { readEnvironment } from '../config.ts'
import { connectCoordinator, type CoordinatorClient } from '../client/client.ts'
import { sending } from '../client/http.ts'
import { createPeopleClient } from '../client/people.ts'
import { watchToEnd } from '../client/progress.ts'
import { collectInputs, parsePlan, planName, readPlanText } from '../plan/index.ts'
import { exitCodeOf } from '../report/exit-code.ts'
import { exportArtifacts, renderJson, writeReport } from '../report/files.ts'
import type { Report } from '../report/format.ts'
import { renderText } from '../report/text.ts'
import { writePrivate } from '../secret-files.ts'
import { type Interruption, onInterruption } from './interruption.ts'
import { diedEarly, endSide, hasAddress, type Side, startSide, untilReady } from './local-sides.ts'
import { shellWord, usesColor } from './terminal.ts'

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
  /** Goes on with its run after an interruption. */
  readonly command: string
}

/** `bitfleet local`: coordinator, agent, run and report of one plan on this machine. */
export async function local(planPath: string, options: LocalOptions): Promise<number> {
  const path = resolve(planPath)
  const text = await readPlanText(planPath)
  const again = planPath === '-' ? ' < PLAN' : ''
  const command = `bitfleet local ${shellWord(planPath)} ${optionWords(options)}${again}`
  let code = 0
  await runLocally({ text, name: planName(planPath), folder: dirname(path), command }, options, (report) => {
    code = exitCodeOf(report)
  })
  return code
}

/** The options as they were given: a run goes on as it began. */
export function optionWords({ out, exit, artifacts, json, clean }: LocalOptions): string {
  return [
    ...['--out', shellWord(out)],
    ...(clean ? ['--clean'] : []),
    ...(artifacts === undefined ? [] : ['--artifacts', artifacts]),
    ...(exit ? ['--exit'] : []),
    ...(json ? ['--json'] : []),
  ].join(' ')
}

/**
 * Starts a coordinator and an agent as processes of their own, runs the plan, and leaves its report under `out`. On a
 * terminal it then serves the report until Ctrl-C, unless told to end.
 *
 * An interruption leaves the run unfinished in the store, and a report of what was computed. The next call with the same
 * plan and `out` goes on with that run.
 *
 * @param finished called with the report once it is written, before it is served
 * @throws `conflict` if `out` has an unfinished run of another plan, or another process works there
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
  const logs = join(out, 'logs')
  await makeFolder(logs, 0o777, 'choose another with --out')
  const unlock = await takeLock(
    logs,
    'another run is being made there; wait for it, or choose another folder with --out',
  )
  if (options.clean) process.stderr.write(`${visibleLine(sayCleaned(readEnvironment()))}\n`)
  const sides: Side[] = []
  const interruption = onInterruption()
  try {
    const client = await startSides(out, options, sides, interruption)
    const submission = { plan: plan.text, fileName: plan.name, inputs, payloads }
    const runId = (await findUnfinished(client, plan, options.out)) ?? (await client.submitRun(submission))
    const { report, interrupted } = await awaitReport(client, runId, sides, interruption)
    await writeReport(report, out)
    if (options.artifacts) await exportArtifacts(report, client.artifacts(runId), out, options.artifacts)

    if (options.json) process.stdout.write(renderJson(report))
    else process.stdout.write(renderText(report, { color: usesColor(process.stdout) }))
    process.stderr.write(`\nReport: ${visibleLine(join(out, 'report.html'))} (and .json, .md, .csv)\n`)
    await finished(report)
    if (interrupted) {
      process.stderr.write(`Interrupted: it covers what was computed so far. To go on:\n        ${plan.command}\n`)
    } else await serve(client, runId, { out, sides, interruption, exit: options.exit ?? false })
  } finally {
    // The agent first, so that it can hand in what it has.
    for (const side of sides.splice(0).reverse()) await endSide(side)
    await rm(tokenFileOf(out), { force: true })
    interruption.dispose()
    await unlock()
  }
}

const storeOf = (out: string) => join(out, 'store')
const tokenFileOf = (out: string) => join(out, 'logs', 'agent.token')

/** @param sides that were started; added to, also if one of them fails */
async function startSides(
  out: string,
  { main, clean }: LocalOptions,
  sides: Side[],
  { asked }: Interruption,
): Promise<CoordinatorClient> {
  const interrupted = asked.then(() => {
    throw new BitfleetError('usage', 'interrupted while starting; give the same command again to start, or to go on')
  })
  // It may be asked for later, when nobody waits here.
  interrupted.catch(() => {})
  const until = (side: Side, ready: () => Promise<boolean>) => Promise.race([untilReady(side, ready), interrupted])
  const storeDir = storeOf(out)
  const coordinator = startSide('coordinator', out, main, ['coordinator', '--store', storeDir, '--port', '0'])
  sides.push(coordinator)
  await until(coordinator, () => hasAddress(join(storeDir, 'coordinator.json'), coordinator))
  const client = await connectCoordinator({ storeDir })
  const { token } = await client.read('/api/tokens', createdTokenSchema, sending('POST', {}))
  await writePrivate(tokenFileOf(out), `${token}\n`)
  const agent = startSide('agent', out, main, [
    ...['agent', 'start', '--coordinator', client.url, '--token-file', tokenFileOf(out)],
    ...['--name', 'local', '--state', join(out, 'agent')],
    ...['--slots', String(Math.max(1, Math.min(4, availableParallelism())))],
    ...(clean ? ['--clean'] : []),
  ])
  sides.push(agent)
  await until(agent, async () => (await client.listAgents()).length > 0)
  return client
}

/**
 * The run of this plan that an earlier call left unfinished.
 *
 * @throws `conflict` if there is one of another plan: the agent would work for both
 */
async function findUnfinished(client: CoordinatorClient, { text }: PlanFile, out: string): Promise<string | undefined> {
  const planDigest = digestOf(text)
  let found: string | undefined
  for (const { id, name, state } of await client.listRuns()) {
    if (state !== 'running' && state !== 'comparing') continue
    const run = await client.getRun(id)
    if (run.planDigest !== planDigest) {
      throw new BitfleetError(
        'conflict',
        `${out} has an unfinished run of another plan, ${id} (${visibleLine(name)}); finish it with ` +
          '`bitfleet local` and that plan, or choose another folder with --out',
      )
    }
    found = id
  }
  if (found !== undefined) process.stderr.write(`Going on with run ${found}, which was not finished.\n`)
  return found
}

/** Waits for a run's end, or for a person to end the wait: then the report covers what has been computed. */
async function awaitReport(
  client: CoordinatorClient,
  run: string,
  sides: readonly Side[],
  interruption: Interruption,
): Promise<{ report: Report; interrupted: boolean }> {
  const watching = new AbortController()
  const died = sides.map(diedEarly)
  try {
    const ended = watchToEnd(client, run, { signal: watching.signal }).then(() => false)
    const interrupted = await Promise.race([ended, interruption.asked.then(() => true), ...died])
    if (!interrupted) return { report: await client.getReport(run), interrupted }
    watching.abort()
    await ended.catch(() => {})
    process.stderr.write('Interrupted: comparing what was computed (Ctrl-C again ends at once) …\n')
    const report = await Promise.race([client.getInterimReport(run), ...died])
    // It may have ended in between.
    return { report, interrupted: report.run.state !== 'done' }
  } finally {
    watching.abort()
  }
}

interface Serving {
  readonly out: string
  readonly sides: readonly Side[]
  readonly interruption: Interruption
  readonly exit: boolean
}

/** On a terminal, serves the report until Ctrl-C; elsewhere says how to. */
async function serve(
  client: CoordinatorClient,
  run: string,
  { out, sides, interruption, exit }: Serving,
): Promise<void> {
  const storeDir = storeOf(out)
  if (!process.stdout.isTTY || exit) {
    process.stderr.write(
      `Web:    bitfleet coordinator --store ${visibleLine(storeDir)} serves it again, under /runs/${run}\n`,
    )
    return
  }
  const link = await createPeopleClient(client).createLink(`/runs/${run}`)
  process.stderr.write(
    `Web:    ${link.url}\n` +
      '        signs you in once, within 5 minutes; served until Ctrl-C\n' +
      `        bitfleet people link --store ${visibleLine(storeDir)} makes another\n`,
  )
  await Promise.race([interruption.asked, ...sides.map(diedEarly)])
}
