import { chmodSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import { createLineCutter } from './lines.ts'
import {
  type AgentEnd,
  type AgentStatus,
  type ControlAnswer,
  controlQuestionSchema,
  maxQuestionBytes,
} from './messages.ts'
import { forgetSocketPath, makePrivateFolder, recordSocketPath, type SocketPlaces, socketPaths } from './socket-path.ts'

export interface ControlHandlers {
  status(): AgentStatus
  /** Begins to drain, or goes on with it. */
  drain(): void
}

/** A socket on which an agent's user may look at it and end it gently. */
export interface ControlServer {
  readonly path: string
  /**
   * Takes no more connections, while the state folder is still this process's.
   *
   * @returns what tells those who wait how the agent ended, once the folder is free
   */
  close(): Promise<(end: AgentEnd) => void>
}

const maxConnections = 32
const maxUnreadBytes = 8 << 20
/** How long a connection may say nothing; those that wait for the agent's end may. */
const idleMs = 10_000

/**
 * Opens the control socket of a state folder that this process has claimed.
 *
 * @returns undefined, with the reasons in the log, where no place takes one: an agent works without
 */
export async function openControlServer(
  stateDir: string,
  handlers: ControlHandlers,
  { log, ...places }: SocketPlaces & { readonly log: (line: string) => void },
): Promise<ControlServer | undefined> {
  const waiting = new Set<Socket>()
  const server = createServer((socket) => serve(socket, handlers, waiting))
  server.maxConnections = maxConnections
  // What is told to agents while they are looked at must not keep them.
  server.unref()
  const reasons: string[] = []
  for (const { folder, name } of socketPaths(stateDir, places)) {
    const path = join(folder, name)
    try {
      makePrivateFolder(folder)
      // Left behind by an agent that was killed: the lock of the state folder says so.
      await rm(path, { force: true })
      await listen(server, path)
      chmodSync(path, 0o600)
      await recordSocketPath(stateDir, path)
    } catch (error) {
      if (server.listening) await stopListening(server)
      reasons.push(messageOf(error))
      continue
    }
    server.on('error', (error) => log(`control socket: ${messageOf(error)}`))
    return {
      path,
      async close() {
        void stopListening(server)
        await forgetSocketPath(stateDir).catch(() => {})
        return (end) => {
          for (const socket of waiting) {
            say(socket, { ended: end })
            socket.end()
          }
        }
      },
    }
  }
  log(
    `no control socket: \`agent status\` and \`agent drain\` will not reach this agent (${reasons.join('; ') || 'every path is too long'})`,
  )
  return undefined
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

function serve(socket: Socket, handlers: ControlHandlers, waiting: Set<Socket>): void {
  const cut = createLineCutter(maxQuestionBytes)
  socket.setTimeout(idleMs, () => {
    if (!waiting.has(socket)) socket.destroy()
  })
  socket.unref()
  socket.on('error', () => socket.destroy())
  socket.on('close', () => waiting.delete(socket))
  socket.on('data', (chunk) => {
    const lines = cut(chunk)
    if (lines === undefined) {
      say(socket, refusal(`a question has at most ${maxQuestionBytes} bytes`))
      socket.destroySoon()
      return
    }
    for (const line of lines) {
      const answer = answerTo(line, handlers)
      if ('draining' in answer) waiting.add(socket)
      say(socket, answer)
    }
  })
}

function answerTo(line: string, handlers: ControlHandlers): ControlAnswer {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return refusal('a question is a line of JSON')
  }
  const question = controlQuestionSchema.safeParse(value)
  if (!question.success) return refusal('this agent knows the commands "status" and "drain"')
  try {
    if (question.data.command === 'status') return { status: handlers.status() }
    handlers.drain()
    return { draining: true, pid: process.pid }
  } catch (error) {
    return { error: { code: 'internal', message: messageOf(error) } }
  }
}

function refusal(message: string): ControlAnswer {
  return { error: { code: 'protocol', message } }
}

function say(socket: Socket, answer: ControlAnswer): void {
  if (!socket.writable) return
  socket.write(`${JSON.stringify(answer)}\n`)
  // Somebody asks and does not read.
  if (socket.writableLength > maxUnreadBytes) socket.destroy()
}
