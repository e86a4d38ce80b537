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
import { bareExecution } from './execution.ts'
import type { Finished, JobQueue } from './job-queue.ts'

/** A line on which the coordinator has welcomed this agent. */
export interface Line {
  /** Hands a result in when its turn comes: what the line loses is sent again on the next one. */
  offer(key: JobKey): void
}

export interface LineContext {
  readonly token: string
  readonly agent: AgentRecord
  readonly exchange: ArtifactExchange
  readonly queue: JobQueue
  readonly log: (line: string) => void
  onWelcome(line: Line): void
}

const welcomeMs = 30_000

/**
 * Introduces the agent on a new line and serves it until it closes.
 *
 * @returns why it closed
 * @throws `refused` where the coordinator turns this agent away
 */
export async function serveLine(connection: Connection, context: LineContext): Promise<string> {
  const { exchange, queue, log } = context
  const send = (message: AgentMessage, body?: Uint8Array) => connection.send(message, body)
  const late = setTimeout(() => connection.close(`no welcome in ${welcomeMs / 1000} s`), welcomeMs)
  let welcomed = false

  const outbox = createOutbox<Finished>({ read: queue.read, send: (finished) => sendResult(send, finished), log })

  const welcome = (protocol: number) => {
    if (protocol !== protocolVersion) {
      throw new BitfleetError(
        'refused',
        `the coordinator speaks protocol ${protocol}, this agent speaks ${protocolVersion}; install the same release on both`,
      )
    }
    clearTimeout(late)
    welcomed = true
    context.onWelcome(outbox)
    exchange.useLine(send)
    // Made while there was no line, or lost with the last one.
    for (const key of queue.owed()) outbox.offer(key)
  }

  const handle = (message: CoordinatorMessage, body?: Uint8Array) => {
    if (message.type === 'refused')
      throw new BitfleetError('refused', `the coordinator refused this agent: ${message.reason}`)
    if (message.type === 'welcome') return welcome(message.protocol)
    if (!welcomed) throw new BitfleetError('protocol', `the coordinator sent "${message.type}" before its welcome`)
    switch (message.type) {
      case 'job':
        return queue.add(message.job)
      case 'cancel':
        return queue.cancel(message.job)
      case 'acknowledged':
        outbox.answered(message)
        return queue.acknowledge(message.job, message.attempt)
      case 'want':
        return exchange.serve(message.digest)
      case 'piece':
        return exchange.takePiece(message, body ?? new Uint8Array(0))
      case 'missing':
        return exchange.takeMissing(message.digest, message.reason)
    }
  }

  try {
    await send({ type: 'hello', protocol: protocolVersion, token: context.token, agent: context.agent })
    for await (const { message, body } of connection.frames) {
      const parsed = coordinatorMessageSchema.safeParse(message)
      if (parsed.success) handle(parsed.data, body)
      else log(`the coordinator sent what protocol ${protocolVersion} does not have: ${describe(message)}`)
    }
    return await connection.closed
  } catch (error) {
    connection.close(messageOf(error))
    throw error
  } finally {
    clearTimeout(late)
    outbox.close()
    exchange.useLine(undefined)
  }
}

/** A result too large for any frame becomes a failure that says so: it must be answered one way or another. */
async function sendResult(send: (message: AgentMessage, body?: Uint8Array) => Promise<void>, finished: Finished) {
  const { job, attempt, result } = finished
  const body = result.trace === undefined ? undefined : new TextEncoder().encode(result.trace)
  try {
    await send({ type: 'result', job, attempt, execution: result.execution }, body)
  } catch (error) {
    if (!hasCode(error, 'limit')) throw error
    const outcome = {
      status: 'failed',
      code: 'limit',
      message: `its result is too large: ${messageOf(error)}`,
      stderr: '',
    } as const
    await send({ type: 'result', job, attempt, execution: bareExecution(result.execution.label, outcome) })
  }
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return isBitfleetError(error) && error.code === code
}

function describe(message: unknown): string {
  const type = typeof message === 'object' && message !== null && 'type' in message ? message.type : message
  return JSON.stringify(type)?.slice(0, 100) ?? 'nothing'
}
