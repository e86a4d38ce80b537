import { z } from 'zod'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError, type ErrorCode, isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { Execution } from '../../shared/execution.ts'
import {
  type AgentRecord,
  agentMessageSchema,
  type CoordinatorMessage,
  type HeldJob,
  type PlannedJob,
  protocolVersion,
  resultSchema,
} from '../../shared/messages.ts'
import type { SignedResult } from '../../shared/signed-result.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { visibleLine } from '../../shared/visible.ts'
import { createArtifactExchange } from './artifact-exchange.ts'
import { failedExecution } from './check-result.ts'
import { type Admitted, type HandshakeOptions, shakeHands } from './handshake.ts'
import type { JobEnvelopes } from './job-envelope.ts'
import { createLeases, type Leases } from './leases.ts'

/** One agent on one line. */
export interface AgentSession {
  readonly agent: AgentRecord
  readonly standing: Admitted['standing']
  /** Jobs it was given, or came with, and has not answered. */
  readonly leases: Leases
  /** Gives a job; a line that breaks shows in the session's end. */
  give(job: PlannedJob): void
  cancel(job: string): void
  fetch(digest: Digest): Promise<Uint8Array | undefined>
  close(reason: string): void
}

export interface SentResult extends SignedResult {
  readonly job: string
  readonly attempt: number
  readonly execution: Execution
  /** The execution as it came, which is what was signed. */
  readonly said: unknown
  /** The trace in its file form. */
  readonly body?: Uint8Array
}

/** A job that an agent does not take. */
export interface Refusal {
  readonly job: string
  readonly attempt: number
  readonly reason: string
  /** It may be given again, once the agent says that it is ready. */
  readonly later: boolean
}

export interface SessionHandlers {
  /** Before the agent is welcomed. */
  admit(agent: AgentRecord): Promise<void>
  /** Once it is, and has said what it has in hand: it may be given jobs from now on. */
  joined(session: AgentSession, holding: readonly HeldJob[]): void
  /**
   * Resolves once the result is on disk, or is one that never will be; then the agent may forget it.
   *
   * @returns why it is rejected, where it is
   */
  result(session: AgentSession, result: SentResult): Promise<string | undefined>
  refused(session: AgentSession, refusal: Refusal): Promise<void>
  /** After a refusal for later: it takes jobs again. */
  ready(session: AgentSession): void
  /** After the last result, with the leases it leaves. */
  ended(session: AgentSession, reason: string): void
  /** The object behind a digest. */
  read(digest: Digest): Promise<Uint8Array | undefined>
  /** @param whose doing it is */
  warn(whose: string, message: string): void
}

export interface SessionOptions extends HandshakeOptions {
  readonly envelopes: JobEnvelopes
  readonly coordinator: string
  readonly maxArtifactBytes?: number
  readonly fetchIdleMs?: number
}

/** What must hold of a result for it to be answered at all. */
const resultHeadSchema = resultSchema.omit({ execution: true })

/** Talks to one agent until its line closes. Never rejects: a peer's mistakes end its line and nothing else. */
export async function serveAgent(
  connection: Connection,
  options: SessionOptions,
  handlers: SessionHandlers,
): Promise<void> {
  const frames = connection.frames[Symbol.asyncIterator]()
  const send = (message: CoordinatorMessage, body?: Uint8Array) => connection.send(message, body)
  let session: AgentSession | undefined
  let joined = false
  try {
    const admitted = await shakeHands(frames, send, { ...options, proven: () => connection.proven() })
    // It enrolled, and that was all.
    if (!admitted) return connection.close('enrolled')
    const { agent, standing } = admitted
    const leases = createLeases()
    /** Users' arrays of jobs it was given: all that an agent may ask for. */
    const granted = new Set<Digest>()
    const exchange = createArtifactExchange(send, {
      limitBytes: options.maxArtifactBytes,
      idleMs: options.fetchIdleMs,
      warn: (message) => handlers.warn(`agent ${agent.id}`, `agent ${agent.id}: ${message}`),
    })
    void connection.closed.then(() => exchange.end())
    const broken = (error: unknown) => connection.close(messageOf(error))
    session = {
      ...{ agent, standing, leases },
      give(planned) {
        const { job, signature } = options.envelopes.seal(planned, agent.id)
        leases.grant(job.id, job.attempt)
        for (const { digest } of job.inputs) granted.add(digest)
        send({ type: 'job', job, signature }).catch(broken)
      },
      cancel(job) {
        send({ type: 'cancel', job }).catch(broken)
      },
      fetch: (digest) => exchange.fetch(digest),
      close: (reason) => connection.close(reason),
    }
    await handlers.admit(agent)
    const { labels } = agent
    await send({ type: 'welcome', protocol: protocolVersion, coordinator: options.coordinator, standing, labels })

    for (let next = await frames.next(); !next.done; next = await frames.next()) {
      const { message, body } = next.value
      const parsed = readMessage(message)
      switch (parsed.type) {
        case 'result': {
          const { job, attempt } = parsed
          leases.end(job, attempt)
          const said = (message as { execution?: unknown }).execution
          const result = { ...parsed, said, ...(body === undefined ? {} : { body }) }
          const rejected = await handlers.result(session, result)
          if (rejected === undefined) await send({ type: 'acknowledged', job, attempt })
          else await send({ type: 'rejected', job, attempt, reason: rejected })
          break
        }
        case 'refuse':
          leases.end(parsed.job, parsed.attempt)
          await handlers.refused(session, parsed)
          break
        case 'ready':
          handlers.ready(session)
          break
        case 'holding':
          if (joined) leases.renew(parsed.jobs)
          else handlers.joined(session, parsed.jobs)
          joined = true
          break
        case 'want': {
          const { digest } = parsed
          void exchange.serve(digest, async () => (granted.has(digest) ? handlers.read(digest) : undefined))
          break
        }
        case 'piece':
          exchange.take(parsed, body ?? new Uint8Array())
          break
        case 'missing':
          exchange.missing(parsed.digest)
          break
        default:
          throw new BitfleetError('protocol', `a second "${parsed.type}" on one line`)
      }
    }
  } catch (error) {
    const later = hasCode(error, 'conflict', 'limit')
    // Of one that is late, or where the store fails, the line is closed, and it tries again.
    if (!session && (later || hasCode(error, 'refused', 'protocol', 'format'))) {
      const reason = visibleLine(messageOf(error)).slice(0, 1000)
      await send({ type: 'refused', reason, ...(later && { later }) }).catch(() => {})
    }
    const whose = session ? `agent ${session.agent.id}` : 'a stranger'
    handlers.warn(whose, `${whose}: line closed: ${visibleLine(messageOf(error))}`)
    connection.close(messageOf(error))
  }
  const reason = await connection.closed
  if (session && joined) handlers.ended(session, reason)
}

function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  return isBitfleetError(error) && codes.includes(error.code)
}

/**
 * A result whose execution is malformed counts as one that failed: it must be answered, or the agent sends it for ever.
 *
 * @throws `protocol` for anything else that is no agent's message
 */
function readMessage(message: unknown): z.infer<typeof agentMessageSchema> {
  const parsed = agentMessageSchema.safeParse(message)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const what = `${issue?.path.join('.')}: ${issue?.message}`
  const head = resultHeadSchema.safeParse(message).data
  if (!head) throw new BitfleetError('protocol', `not a message of protocol ${protocolVersion}: ${what}`)
  return { ...head, execution: failedExecution('protocol', `the agent sent a malformed result: ${what}`) }
}
