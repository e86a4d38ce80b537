import { z } from 'zod'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { Execution } from '../../shared/execution.ts'
import {
  type AgentRecord,
  agentMessageSchema,
  type CoordinatorMessage,
  type Job,
  protocolVersion,
} from '../../shared/messages.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { createArtifactExchange } from './artifact-exchange.ts'
import { failedExecution } from './check-result.ts'
import { readHello } from './greeting.ts'

/** One agent on one line. */
export interface AgentSession {
  readonly agent: AgentRecord
  /** Jobs it was given and has not answered. */
  readonly running: ReadonlyMap<string, Job>
  /** Gives a job; a line that breaks shows in the session's end. */
  give(job: Job): void
  cancel(job: string): void
  fetch(digest: Digest): Promise<Uint8Array | undefined>
  close(reason: string): void
}

export interface SentResult {
  readonly job: string
  readonly attempt: number
  readonly execution: Execution
  /** The trace in its file form. */
  readonly body?: Uint8Array
}

export interface SessionHandlers {
  /** Before the agent is welcomed. */
  admit(agent: AgentRecord): Promise<void>
  /** Once it is: it may be given jobs from now on. */
  joined(session: AgentSession): void
  /** Resolves once the result is on disk, or is one that never will be; then the agent may forget it. */
  result(session: AgentSession, result: SentResult): Promise<void>
  /** After the last result, with the jobs it leaves unanswered. */
  ended(session: AgentSession, reason: string): void
  /** The object behind a digest. */
  read(digest: Digest): Promise<Uint8Array | undefined>
  warn(message: string): void
}

export interface SessionOptions {
  readonly token: string
  readonly coordinator: string
  readonly helloMs?: number
  readonly maxArtifactBytes?: number
  readonly fetchIdleMs?: number
}

type Received = { readonly message: unknown; readonly body?: Uint8Array }

/** What must hold of a result for it to be answered at all. */
const resultHeadSchema = z.object({ type: z.literal('result'), job: z.string(), attempt: z.number().int() })

/** Talks to one agent until its line closes. Never rejects: a peer's mistakes end its line and nothing else. */
export async function serveAgent(
  connection: Connection,
  options: SessionOptions,
  handlers: SessionHandlers,
): Promise<void> {
  const frames = connection.frames[Symbol.asyncIterator]()
  const send = (message: CoordinatorMessage, body?: Uint8Array) => connection.send(message, body)
  let session: AgentSession | undefined
  try {
    const agent = await firstMessage(frames, options)
    connection.proven()
    const running = new Map<string, Job>()
    /** Users' arrays of jobs it was given: all that an agent may ask for. */
    const granted = new Set<Digest>()
    const exchange = createArtifactExchange(send, {
      limitBytes: options.maxArtifactBytes,
      idleMs: options.fetchIdleMs,
      warn: (message) => handlers.warn(`agent ${agent.id}: ${message}`),
    })
    void connection.closed.then(() => exchange.end())
    const broken = (error: unknown) => connection.close(messageOf(error))
    session = {
      agent,
      running,
      give(job) {
        running.set(job.id, job)
        for (const { digest } of job.inputs) granted.add(digest)
        send({ type: 'job', job }).catch(broken)
      },
      cancel(job) {
        send({ type: 'cancel', job }).catch(broken)
      },
      fetch: (digest) => exchange.fetch(digest),
      close: (reason) => connection.close(reason),
    }
    await handlers.admit(agent)
    await send({ type: 'welcome', protocol: protocolVersion, coordinator: options.coordinator })
    handlers.joined(session)

    for (let next = await frames.next(); !next.done; next = await frames.next()) {
      const { message, body } = next.value
      const parsed = readMessage(message)
      switch (parsed.type) {
        case 'result':
          if (running.get(parsed.job)?.attempt === parsed.attempt) running.delete(parsed.job)
          await handlers.result(session, { ...parsed, ...(body === undefined ? {} : { body }) })
          await send({ type: 'acknowledged', job: parsed.job, attempt: parsed.attempt })
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
        case 'hello':
          throw new BitfleetError('protocol', 'a second hello on one line')
      }
    }
  } catch (error) {
    if (!session && isForGood(error)) await send({ type: 'refused', reason: messageOf(error) }).catch(() => {})
    handlers.warn(`${session ? `agent ${session.agent.id}` : 'a peer'}: line closed: ${messageOf(error)}`)
    connection.close(messageOf(error))
  }
  const reason = await connection.closed
  if (session) handlers.ended(session, reason)
}

/**
 * An agent that reads `refused` gives up, so it is said of what will not change by itself: its token, its release, what
 * it says of itself. One that was late, or met a failing store, finds the line closed and tries again.
 */
function isForGood(error: unknown): boolean {
  return isBitfleetError(error) && ['refused', 'protocol', 'format'].includes(error.code)
}

async function firstMessage(
  frames: AsyncIterator<Received>,
  { token, helloMs = 5000 }: SessionOptions,
): Promise<AgentRecord> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new BitfleetError('unavailable', `no hello came within ${helloMs / 1000} s`))
    }, helloMs)
  })
  try {
    const first = await Promise.race([frames.next(), late])
    if (first.done) throw new BitfleetError('unavailable', 'the line closed before a hello')
    return readHello(first.value.message, token)
  } finally {
    clearTimeout(timer)
  }
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
