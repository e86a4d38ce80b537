import { BitfleetError } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import { createAttempts } from '../attempts.ts'
import { isBarred, type Registry, standingSentence, unknownSentence } from '../enrolment/index.ts'
import type { Store } from '../store/index.ts'
import type { ActiveRun } from './active-run.ts'
import type { AgentSession, SessionHandlers } from './agent-session.ts'
import { refusalOfStatement } from './check-statement.ts'
import type { JobEnvelopes } from './job-envelope.ts'

/** What becomes of what agents answer to the jobs they were given. */
export interface AnswerTaker {
  readonly takeResult: SessionHandlers['result']
  readonly takeRefusal: SessionHandlers['refused']
}

export interface AnswerTakerOptions {
  readonly store: Store
  readonly registry: Registry
  readonly envelopes: JobEnvelopes
  /** Agents that take no jobs now. */
  readonly leaving: WeakSet<AgentSession>
  readonly logOf: (agent: string, message: string) => void
  /** Gives an agent what there is for it. */
  readonly fill: (session: AgentSession) => void
  /** After whatever may have ended a run's last job. */
  readonly settle: (run: ActiveRun) => void
  readonly runOf: (job: string) => ActiveRun | undefined
  readonly loseJob: (job: string) => void
}

const mostTold = 10_000

export function createAnswerTaker(options: AnswerTakerOptions): AnswerTaker {
  const { store, registry, envelopes, leaving, logOf, fill, settle, runOf, loseJob } = options
  /** Refusals on either side of what nobody has in hand: they are recorded, but not for ever. */
  const unasked = createAttempts({ tries: 100, refillMs: 60_000 })
  /** Those on the agent's side, as an agent tells of what was damaged on its disk after each of its starts. */
  const told = new Set<string>()
  const isNews = (key: string) => {
    if (told.has(key)) return false
    if (told.size >= mostTold) told.clear()
    told.add(key)
    return true
  }

  const takeResult: AnswerTaker['takeResult'] = async (session, sent) => {
    const { id } = session.agent
    const { job, attempt, execution, body } = sent
    const signed = { statement: sent.statement, signature: sent.signature }
    const registered = registry.find(id)
    const refusal = registered && refusalOfStatement(signed, sent, registered, envelopes.nonceOf(id, job, attempt))
    if (!registered || isBarred(registered)) {
      const reason = registered ? standingSentence(registered) : unknownSentence(id)
      // What is not even its own is worth no file.
      if (registered && refusal === undefined) await store.quarantine(id, signed, execution, reason)
      loseJob(job)
      runOf(job)?.abandon(id)
      return reason
    }
    const run = runOf(job)
    const claim = run?.claim(id, job, attempt)
    if (refusal !== undefined) {
      logOf(id, `brought a result of ${visibleLine(job)}, attempt ${attempt}, that is refused: ${refusal}`)
      const mine = isUnderWay(claim, attempt)
      if (mine || unasked.take([id]) === 0) {
        await store.append({ kind: 'result-refused', by: `agent:${id}`, agent: id, job, attempt, reason: refusal })
      }
      if (mine) await run?.refused(job, attempt, `its result is refused: ${refusal}`)
      fill(session)
      if (run) settle(run)
      return refusal
    }
    if (!run || !claim) {
      fill(session)
      logOf(id, `brought nothing new: its result of ${visibleLine(job)}, which is not under way, was dropped`)
      return undefined
    }
    if (claim === 'not-yours') throw new BitfleetError('protocol', `job ${job} is another agent's`)
    // Nobody asked for that: the agent is stopping, and its job waits for it to come back.
    if (claim !== 'late' && execution.outcome.status === 'cancelled' && !run.cancelled) {
      leaving.add(session)
      run.postpone(job)
      settle(run)
      return undefined
    }
    // Nothing in a runner does that to itself: an operator did, or the kernel for want of memory.
    const { outcome } = execution
    const killed = outcome.status === 'crashed' && outcome.signal === 'SIGKILL'
    if (killed && isUnderWay(claim, attempt) && run.again(job)) {
      await store.append({ kind: 'execution-killed', by: `agent:${id}`, agent: id, job, attempt })
      fill(session)
      settle(run)
      return undefined
    }
    // The next job starts while this one is being written.
    fill(session)
    if (claim !== 'late') await run.accept(claim, attempt, execution, body, signed)
    // A second attempt may be under way for what an earlier one has just brought.
    if (session.leases.attemptOf(job) !== undefined) session.cancel(job)
    settle(run)
    return undefined
  }

  const takeRefusal: AnswerTaker['takeRefusal'] = async (session, { job, attempt, reason, later }) => {
    const { id } = session.agent
    const run = runOf(job)
    const claim = run?.claim(id, job, attempt)
    const mine = isUnderWay(claim, attempt)
    logOf(id, `does not take ${visibleLine(job)}, attempt ${attempt}: ${visibleLine(reason)}`)
    if (later) {
      // It takes none just now; the job waits for it.
      leaving.add(session)
      if (mine) run?.postpone(job)
    } else {
      // Of what the agent has not in hand nothing follows. Where it once had, somebody may have sent the job again.
      const had = claim === 'late' || (typeof claim === 'object' && attempt <= claim.given)
      if (mine || (had && isNews(JSON.stringify([id, job, attempt])) && unasked.take([id]) === 0)) {
        await store.append({ kind: 'job-refused', by: `agent:${id}`, agent: id, job, attempt, reason })
      }
      if (mine) await run?.refused(job, attempt, `the agent does not take the job: ${reason}`)
    }
    if (run) settle(run)
    fill(session)
  }

  return { takeResult, takeRefusal }
}

/** Whether an attempt is the one that its agent has in hand. */
function isUnderWay(claim: ReturnType<ActiveRun['claim']>, attempt: number): boolean {
  return typeof claim === 'object' && claim.given === attempt && claim.state.state === 'running'
}
