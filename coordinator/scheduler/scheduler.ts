import { setTimeout as delay } from 'node:timers/promises'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import type { AgentRecord, HeldJob } from '../../shared/messages.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { isBarred, standingSentence, unknownSentence } from '../enrolment/index.ts'
import { createLimitedLog } from '../limited-log.ts'
import type { Artifacts, RunData, RunRecord } from '../records.ts'
import type { Report } from '../report/format.ts'
import type { Store } from '../store/index.ts'
import { createAbsences } from './absences.ts'
import { type ActiveRun, createActiveRun } from './active-run.ts'
import { type AgentSession, serveAgent, type SessionOptions } from './agent-session.ts'
import type { FindDescription } from './check-result.ts'
import { buildInterimReport } from './interim-report.ts'
import { createJobEnvelopes } from './job-envelope.ts'
import { prepareRun, type RunRequest } from './prepare-run.ts'
import { createRefusalAudit } from './refusal-audit.ts'
import { createRunArtifacts } from './run-artifacts.ts'
import type { RunEvent } from './run-events.ts'
import { readProgress, type RunProgress } from './run-progress.ts'
import { createAnswerTaker } from './take-answers.ts'

/** Brings runs to agents and their results home, and compares once all have ended. */
export interface Scheduler {
  /** Talks to one agent until its line closes. */
  serve(connection: Connection): Promise<void>
  /** Connected agents that may be given work, ordered by id. */
  agents(): AgentRecord[]
  /** Ids of all that are connected, those that wait for approval among them. */
  connected(): ReadonlySet<string>
  /**
   * @param by who asks, for the audit
   * @throws `usage` for what is wrong with the plan; `unavailable` where no agent fits; `not-found` for missing bytes
   */
  submit(request: RunRequest, by?: string): Promise<RunRecord>
  /** Ends a run early; what completed is compared. @throws `not-found`, `conflict` if it has ended */
  cancel(run: string, by?: string): Promise<void>
  /** @throws `not-found` */
  progress(run: string): Promise<RunProgress>
  /** Events after number `after`, until the run has ended. @throws `not-found` */
  follow(run: string, after: number, signal?: AbortSignal): AsyncIterable<RunEvent>
  /**
   * A report of what a run that is under way has so far, as if it were cancelled now. The run goes on.
   *
   * @throws `not-found`, `conflict` if it has ended
   */
  interimReport(run: string): Promise<Report>
  /** The run's bytes, asked of its agents where they are not kept here. @throws `not-found` */
  artifacts(run: string): Promise<Artifacts>
  /**
   * Goes on with the runs that an earlier process left under way, however it ended. What is on disk counts; what is
   * not is made again by its agent, if that comes back in time. Called once, before agents are served.
   */
  resume(): Promise<void>
  /** Closes every line. Runs under way are found as such by the next start. */
  stop(): Promise<void>
}

export interface SchedulerOptions extends Omit<SessionOptions, 'envelopes'> {
  readonly store: Store
  /** Compares a run whose executions have ended. */
  readonly buildReport: (data: RunData, artifacts: Artifacts) => Promise<Report>
  readonly findDescription: FindDescription
  readonly log?: (message: string) => void
  /** How long a run waits for an agent that went away before its jobs are missing. */
  readonly absenceMs?: number
  /** How long a cancelled run waits for what is running. */
  readonly cancelMs?: number
  /** How long a job is an agent's without a word of it, on a monotonic clock. */
  readonly leaseMs?: number
}

const stopping = 'the coordinator is stopping'
const comeAgain = 'come again: the coordinator has news of this agent'

/** More than any machine runs at a time; what an agent says is not taken on trust. */
const maxSlots = 1024

const maxRecent = 4

/** How long a dismissed agent's line is read on, for the results that are on their way. */
const dismissalMs = 1000

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { store, registry, log = () => {}, absenceMs = 120_000, cancelMs = 15_000, leaseMs = 60_000 } = options
  const envelopes = createJobEnvelopes(registry.key)
  /** What an agent causes to be said. */
  const limited = createLimitedLog(log)
  const logOf = (agent: string, message: string) => limited(`agent ${agent}`, `agent ${agent} ${message}`)
  const sessions = new Map<string, AgentSession>()
  /** Agents that are stopping: they are given nothing more. */
  const leaving = new WeakSet<AgentSession>()
  /** Agents that went away, until their jobs are given up. */
  const absences = createAbsences({
    absenceMs,
    // They cannot come back while nothing that they would have to say can be written.
    paused: () => store.trouble() !== undefined,
    over: (agent) => giveUp(agent),
  })
  /** Jobs that agents had when they went away: theirs still, until they come back without them or are given up. */
  const carried = new Map<string, Set<string>>()
  /** In the order of submission, which is the order they are served in. */
  const active = new Map<string, ActiveRun>()
  /** Of runs that have ended and were asked for lately: an export asks for every tensor of one. */
  const recent = new Map<string, Promise<Artifacts>>()
  /** Every line, also those that have not come in yet. */
  const serving = new Map<Connection, Promise<void>>()
  let comparing: Promise<void> = Promise.resolve()
  let stopped = false

  const refusing = createRefusalAudit(
    (body) => store.append(body),
    (agent) => registry.find(agent) !== undefined,
    log,
  )

  const fetchFrom = async (agent: string, digest: Parameters<AgentSession['fetch']>[0]) =>
    sessions.get(agent)?.fetch(digest)

  const fill = (session: AgentSession) => {
    if (sessions.get(session.agent.id) !== session || leaving.has(session) || session.standing === 'pending') return
    if (store.trouble() !== undefined) return
    for (const run of active.values()) {
      while (session.leases.size < Math.min(session.agent.slots, maxSlots)) {
        const job = run.next(session.agent.id)
        if (!job) break
        session.give(job)
      }
    }
  }
  /** After whatever may have ended a run's last job. Comparisons wait for each other. */
  const settle = (run: ActiveRun) => {
    run.announce()
    if (!run.startComparing()) return
    comparing = comparing.then(async () => {
      if (stopped) return
      try {
        await compareOnceThereIsRoom(run)
      } catch (error) {
        log(`run ${run.record.id}: comparing failed: ${error instanceof Error ? error.stack : messageOf(error)}`)
        await endRun(run, 'failed', messageOf(error)).catch((unsaved: unknown) => {
          // The store fails too: whoever follows the run hears of its end all the same.
          log(`run ${run.record.id}: its end was not kept: ${messageOf(unsaved)}`)
          run.enter('failed', messageOf(unsaved))
        })
      }
      active.delete(run.record.id)
    })
    comparing = comparing.catch((error: unknown) => log(`run ${run.record.id}: ${messageOf(error)}`))
  }

  /** A store that takes nothing for now ends no run. */
  const compareOnceThereIsRoom = async (run: ActiveRun) => {
    for (;;) {
      try {
        return await compareRun(run)
      } catch (error) {
        if (store.trouble() === undefined) throw error
        log(`run ${run.record.id}: comparing waits: ${messageOf(error)}`)
      }
      while (store.trouble() !== undefined) {
        if (stopped) return
        await delay(500)
      }
    }
  }

  const compareRun = async (run: ActiveRun) => {
    const { id } = run.record
    await store.setRunState(id, 'comparing')
    run.enter('comparing')
    const data = await store.loadRun(id)
    const state = run.cancelled ? 'cancelled' : 'done'
    const endedAt = new Date().toISOString()
    const final = { ...data, run: { ...data.run, state, endedAt } } as const
    const report = await options.buildReport(final, createRunArtifacts(final, store, fetchFrom))
    await store.saveReport(id, report)
    await endRun(run, state, undefined, endedAt)
    log(`run ${id}: ${state}`)
  }

  const endRun = async (
    run: ActiveRun,
    state: RunRecord['state'],
    failure?: string,
    endedAt = new Date().toISOString(),
  ) => {
    await store.setRunState(run.record.id, state, failure === undefined ? { endedAt } : { endedAt, failure })
    run.enter(state, failure)
  }

  const runOf = (job: string) => active.get(job.slice(0, job.indexOf('/')))

  const loseJob = (job: string) => {
    const run = runOf(job)
    run?.lost(job)
    if (run) settle(run)
  }

  const { takeResult, takeRefusal } = createAnswerTaker({
    ...{ store, registry, envelopes, leaving, logOf, fill, settle, runOf, loseJob },
  })

  /** An agent that comes back goes on with what it has in hand; what it no longer has is made again. */
  const takeUp = (session: AgentSession, holding: readonly HeldJob[]) => {
    const { id } = session.agent
    const before = carried.get(id) ?? new Set<string>()
    carried.delete(id)
    for (const { job, attempt } of holding) {
      if (runOf(job)?.adopt(id, job, attempt)) {
        session.leases.grant(job, attempt)
        before.delete(job)
      } else session.cancel(job)
    }
    for (const job of before) loseJob(job)
  }

  const sweep = setInterval(
    () => {
      for (const session of sessions.values()) {
        for (const job of session.leases.expire(leaseMs)) {
          logOf(session.agent.id, `said nothing of ${job} for ${leaseMs / 1000} s; it is given again`)
          session.cancel(job)
          loseJob(job)
        }
        fill(session)
      }
    },
    Math.max(50, leaseMs / 4),
  ).unref()

  const handlers = {
    admit: (agent: AgentRecord) => store.saveAgent(agent),
    joined(session: AgentSession, holding: readonly HeldJob[]) {
      const { id, labels } = session.agent
      const registered = registry.find(id)
      // It was judged as it stood when it came, and that may have changed since.
      if (!registered || isBarred(registered)) {
        return session.close(registered ? standingSentence(registered) : unknownSentence(id))
      }
      if (registered.standing !== session.standing || canonicalJson(registered.labels) !== canonicalJson(labels)) {
        return session.close(comeAgain)
      }
      sessions.get(id)?.close('this agent connected again')
      sessions.set(id, session)
      absences.end(id)
      logOf(id, `connected${session.standing === 'pending' ? ', and waits for approval' : ''}`)
      takeUp(session, holding)
      fill(session)
    },
    result: takeResult,
    refused: takeRefusal,
    ready(session: AgentSession) {
      leaving.delete(session)
      fill(session)
    },
    ended(session: AgentSession, reason: string) {
      const { id } = session.agent
      const jobs = session.leases.jobs()
      if (stopped) return
      if (sessions.get(id) === session) {
        sessions.delete(id)
        carried.set(id, new Set(jobs))
        const registered = registry.find(id)
        // One that may not come back is not waited for.
        if (!registered || isBarred(registered)) giveUp(id)
        else absences.begin(id)
      } else {
        // Another line of this agent took its place; what that one does not hold is lost.
        const successor = sessions.get(id)
        for (const job of jobs) if (successor?.leases.attemptOf(job) === undefined) loseJob(job)
        if (successor) fill(successor)
      }
      logOf(id, `gone: ${visibleLine(reason)}`)
    },
    read: (digest: Parameters<Store['getObject']>[0]) => store.getObject(digest),
    warn: limited,
  }

  const giveUp = (agent: string) => {
    absences.end(agent)
    for (const job of carried.get(agent) ?? []) runOf(job)?.lost(job)
    carried.delete(agent)
    for (const run of active.values()) {
      run.abandon(agent)
      settle(run)
    }
  }

  /** Turns an agent away for good; what it still brings is quarantined. */
  const dismiss = (id: string, reason: string) => {
    const session = sessions.get(id)
    for (const run of active.values()) {
      run.abandon(id)
      settle(run)
    }
    if (!session) return giveUp(id)
    leaving.add(session)
    for (const job of session.leases.jobs()) session.cancel(job)
    setTimeout(() => session.close(reason), dismissalMs)
  }

  registry.subscribe((agent) => {
    if (isBarred(agent)) dismiss(agent.id, standingSentence(agent))
    // It comes back at once, and then as it stands now.
    else sessions.get(agent.id)?.close(comeAgain)
  })

  const awaitAgents = ({ record }: ActiveRun) => {
    for (const { id } of record.agents) {
      if (!sessions.has(id)) absences.begin(id)
    }
  }

  return {
    serve(connection) {
      if (stopped) connection.close(stopping)
      const served = serveAgent(connection, { ...options, envelopes, refusing }, handlers).finally(() =>
        serving.delete(connection),
      )
      serving.set(connection, served)
      return served
    },
    agents: () => connectedAgents(sessions),
    connected: () => new Set(sessions.keys()),
    async resume() {
      const runs = (await store.listRuns()).filter(({ state }) => state === 'running' || state === 'comparing')
      // As they were submitted.
      for (const { id, state } of runs.reverse()) {
        const left = await store.resumeRun(id)
        const run = createActiveRun(left.run, left.cells, store, options.findDescription, left)
        // What was missing when comparing began stays so.
        if (state === 'comparing') for (const agent of left.run.agents) run.abandon(agent.id)
        active.set(id, run)
        log(`run ${id}: goes on with ${left.executions.length} executions on disk`)
      }
      for (const run of active.values()) {
        awaitAgents(run)
        settle(run)
      }
    },
    async submit(request, by) {
      const run = await prepareRun(request, connectedAgents(sessions), store)
      await store.createRun(run.record, run.cells, by)
      const started = createActiveRun(run.record, run.cells, store, options.findDescription)
      active.set(run.record.id, started)
      log(`run ${run.record.id}: ${run.cells.length} cells on ${run.record.agents.length} agents`)
      // An agent that went away between is waited for like any other.
      awaitAgents(started)
      settle(started)
      for (const session of sessions.values()) fill(session)
      return run.record
    },
    async cancel(id, by) {
      const run = active.get(id)
      if (!run) {
        const { run: ended } = await store.loadPlan(id)
        throw new BitfleetError('conflict', `run ${id} has ended already: it is ${ended.state}`)
      }
      await store.requestCancel(id, by)
      const under = run.cancel()
      for (const { id: job, cell } of under) sessions.get(cell.agent)?.cancel(job)
      setTimeout(() => {
        run.abandonRunning()
        settle(run)
      }, cancelMs).unref()
      settle(run)
    },
    async progress(id) {
      const run = active.get(id)
      return run ? run.progress() : readProgress(store, id)
    },
    async *follow(id, after, signal) {
      const run = active.get(id)
      if (run) {
        yield* run.follow(after, signal)
        return
      }
      const { run: ended } = await store.loadPlan(id)
      const failure = ended.failure === undefined ? {} : { failure: ended.failure }
      yield { id: 1, type: 'state', state: ended.state, ...failure }
    },
    async interimReport(id) {
      if (!active.has(id)) {
        const { run } = await store.loadPlan(id)
        throw new BitfleetError('conflict', `run ${id} has ended already: it is ${run.state}`)
      }
      const made = comparing.then(async () => {
        // It may have ended while this waited for its turn.
        const ended = active.has(id) ? undefined : await store.loadReport(id)
        return ended ?? (await buildInterimReport(id, store, fetchFrom, options.buildReport))
      })
      comparing = made.then(
        () => {},
        () => {},
      )
      return await made
    },
    artifacts(id) {
      const known = recent.get(id)
      if (known) return known
      const opened = store.loadRun(id).then((data) => createRunArtifacts(data, store, fetchFrom))
      if (active.has(id)) return opened
      recent.set(id, opened)
      opened.catch(() => recent.delete(id))
      const [oldest] = recent.keys()
      if (recent.size > maxRecent && oldest !== undefined) recent.delete(oldest)
      return opened
    },
    async stop() {
      stopped = true
      clearInterval(sweep)
      absences.endAll()
      for (const connection of serving.keys()) connection.close(stopping)
      await Promise.all(serving.values())
      await comparing
      for (const run of active.values()) run.end()
    },
  }
}

function connectedAgents(sessions: ReadonlyMap<string, AgentSession>): AgentRecord[] {
  return [...sessions.values()]
    .filter(({ standing }) => standing === 'enrolled')
    .map(({ agent }) => agent)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}
