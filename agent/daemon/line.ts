import type { ErrorCode } from '../../shared/errors.ts'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import {
  type AgentMessage,
  type AgentRecord,
  type CoordinatorMessage,
  coordinatorMessageSchema,
  protocolVersion,
} from '../../shared/messages.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import type { ArtifactExchange } from './artifact-exchange.ts'
import type { JobKey } from '../spool/file-name.ts'
import { createOutbox } from '../spool/outbox.ts'
import { type Credentials, introduce } from './introduce.ts'
import type { Finished, JobQueue } from './job-queue.ts'
import { judgeJob } from './judge-job.ts'

/** A line on which the coordinator has welcomed this agent. */
export interface Line {
  /** Hands a result in when its turn comes; what the line loses is sent again on the next one. */
  offer(key: JobKey): void
  /** A job that is not taken; `later`, it may be given again once the agent is `ready`. What the line loses is lost. */
  refuse(job: string, attempt: number, reason: string, later: boolean): void
  /** Takes jobs again. */
  ready(): void
  /** The coordinator's clock, in ms since 1970; also once the line is closed. */
  coordinatorNow(): number
}

export interface LineContext {
  readonly credentials: Credentials
  readonly agent: AgentRecord
  readonly exchange: ArtifactExchange
  readonly queue: JobQueue
  /** It was welcome to its coordinator before, on a line or in an earlier process. */
  readonly wasWelcome: boolean
  readonly log: (line: string) => void
  onWelcome(line: Line): void
}

const welcomeMs = 30_000
/** How often leases are renewed; the coordinator waits for several of these. */
const renewMs = 10_000

/**
 * Introduces the agent on a new line and serves it until it closes.
 *
 * @returns why it closed
 * @throws `refused` where the coordinator turns this agent away. One that has not shown that it is this agent's, or is
 *   another or of another release, ends only an agent that was never welcome: anybody may listen at an address for a
 *   while, and must not end a fleet that way. Else it is `unavailable`.
 */
export async function serveLine(connection: Connection, context: LineContext): Promise<string> {
  const { exchange, queue, log, agent } = context
  const introduction = introduce(agent, context.credentials)
  const bounds = {
    agent: agent.id,
    coordinator: context.credentials.coordinator,
    now: () => introduction.coordinatorNow(),
  }
  const send = (message: AgentMessage, body?: Uint8Array) => connection.send(message, body)
  /** What a line that breaks does not carry is said again on the next. */
  const say = (message: AgentMessage) =>
    void send(message).catch((error: unknown) => {
      if (!hasCode(error, 'unavailable')) log(messageOf(error))
    })
  const late = setTimeout(() => connection.close(`no welcome in ${welcomeMs / 1000} s`), welcomeMs)
  let renewing: NodeJS.Timeout | undefined
  let welcomed = false

  const outbox = createOutbox<Finished>({
    read: (key) => queue.read(key),
    async send({ job, attempt, result: { execution, trace, signed } }) {
      if (!signed) return log(`result of ${job}: it has no signature, and is not sent`)
      const body = trace === undefined ? undefined : new TextEncoder().encode(trace)
      await send({ type: 'result', job, attempt, execution, ...signed }, body)
    },
    log,
  })
  const line: Line = {
    offer: (key) => outbox.offer(key),
    refuse: (job, attempt, reason, later) =>
      say({ type: 'refuse', job: job.slice(0, 512), attempt, reason: reason.slice(0, 2000), later }),
    ready: () => say({ type: 'ready' }),
    coordinatorNow: () => introduction.coordinatorNow(),
  }

  const welcome = ({ standing }: Extract<CoordinatorMessage, { type: 'welcome' }>) => {
    clearTimeout(late)
    welcomed = true
    context.credentials.renewals.taken()
    if (standing === 'pending') log('enrolled, and waits for approval: `bitfleet agents approve` on the coordinator')
    const sayHolding = () => say({ type: 'holding', jobs: queue.holding() })
    // First: the coordinator gives jobs from then on.
    sayHolding()
    renewing = setInterval(sayHolding, renewMs)
    context.onWelcome(line)
    exchange.useLine(send)
    // Made while there was no line, or lost with the last one.
    for (const key of queue.owed()) outbox.offer(key)
  }

  const handle = async (message: CoordinatorMessage, body?: Uint8Array) => {
    if (message.type === 'refused') {
      if (message.later) throw new BitfleetError('unavailable', `not now, says the coordinator: ${message.reason}`)
      throw new BitfleetError('refused', `the coordinator refused this agent: ${message.reason}`)
    }
    if (message.type === 'challenge' && !welcomed) return await send(introduction.answer(message))
    if (message.type === 'welcome' && !welcomed) return welcome(message)
    if (!welcomed) throw new BitfleetError('protocol', `the coordinator sent "${message.type}" before its welcome`)
    switch (message.type) {
      case 'job': {
        const judged = judgeJob(message.job, message.signature, bounds)
        if ('job' in judged) return queue.add(judged.job)
        log(`job ${judged.id} is refused: ${judged.reason}`)
        return line.refuse(judged.id, judged.attempt, judged.reason, false)
      }
      case 'cancel':
        return queue.cancel(message.job)
      case 'acknowledged':
        outbox.answered(message)
        return queue.acknowledge(message.job, message.attempt)
      case 'rejected':
        outbox.answered(message)
        log(`the coordinator rejects the result of ${message.job}, attempt ${message.attempt}: ${message.reason}`)
        return queue.reject(message.job, message.attempt)
      case 'want':
        return exchange.serve(message.digest)
      case 'piece':
        return exchange.takePiece(message, body ?? new Uint8Array(0))
      case 'missing':
        return exchange.takeMissing(message.digest, message.reason)
      default:
        throw new BitfleetError('protocol', `the coordinator sent "${message.type}" on a line under way`)
    }
  }

  try {
    await send(introduction.hello)
    for await (const { message, body } of connection.frames) {
      const parsed = coordinatorMessageSchema.safeParse(message)
      if (parsed.success) await handle(parsed.data, body)
      else if (!welcomed) throw otherProtocol(message)
      else log(`the coordinator sent what protocol ${protocolVersion} does not have: ${describe(message)}`)
    }
    return await connection.closed
  } catch (error) {
    connection.close(messageOf(error))
    const isHearsay = hasCode(error, 'refused') && !introduction.proven()
    throw isHearsay && context.wasWelcome ? new BitfleetError('unavailable', messageOf(error), { cause: error }) : error
  } finally {
    clearTimeout(late)
    clearInterval(renewing)
    outbox.close()
    exchange.useLine(undefined)
  }
}

/** What a coordinator of another release says first. */
function otherProtocol(message: unknown): BitfleetError {
  const { protocol } = (typeof message === 'object' && message !== null ? message : {}) as { protocol?: unknown }
  return new BitfleetError(
    'refused',
    typeof protocol === 'number'
      ? `the coordinator speaks protocol ${protocol}, this agent speaks ${protocolVersion}; install the same release on both`
      : `the coordinator answered with ${describe(message)}, which protocol ${protocolVersion} does not have`,
  )
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return isBitfleetError(error) && error.code === code
}

function describe(message: unknown): string {
  const type = typeof message === 'object' && message !== null && 'type' in message ? message.type : message
  return JSON.stringify(type)?.slice(0, 100) ?? 'nothing'
}
