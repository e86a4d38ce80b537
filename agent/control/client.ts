import { createConnection, type Socket } from 'node:net'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { createLineCutter } from './lines.ts'
import { type ControlAnswer, type ControlQuestion, controlAnswerSchema, maxAnswerBytes } from './messages.ts'
import { readSocketPath } from './socket-path.ts'

/** A conversation with a running agent. */
export interface ControlClient {
  /** Asks, and gives the first answer. @throws `unavailable` where none comes, or what the agent answers as an error */
  ask(question: ControlQuestion): Promise<ControlAnswer>
  /** The next answer, however long it takes; undefined when the agent closed the connection. */
  next(): Promise<ControlAnswer | undefined>
  close(): void
}

const answerMs = 10_000

/**
 * @returns undefined where no agent listens
 * @throws `refused` where the socket is another user's
 */
export async function connectControl(stateDir: string): Promise<ControlClient | undefined> {
  const path = await readSocketPath(stateDir)
  if (path === undefined) return undefined
  const socket = createConnection(path)
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  } catch (cause) {
    socket.destroy()
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
    throw new BitfleetError(
      'refused',
      `the agent's socket ${path} cannot be opened (${messageOf(cause)}); be its user`,
      {
        cause,
      },
    )
  }
  return clientOf(socket, path)
}

function clientOf(socket: Socket, path: string): ControlClient {
  const cut = createLineCutter(maxAnswerBytes)
  const answers: ControlAnswer[] = []
  let failure: BitfleetError | undefined
  let closed = false
  let wake = () => {}
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    closed = true
    wake()
  })
  socket.on('data', (chunk) => {
    try {
      const lines = cut(chunk)
      if (lines === undefined) throw new Error(`it has more than ${maxAnswerBytes} bytes`)
      for (const line of lines) answers.push(controlAnswerSchema.parse(JSON.parse(line)))
    } catch (cause) {
      failure = new BitfleetError(
        'protocol',
        `the agent at ${path} answers what this release does not know (${messageOf(cause)}); use the one it runs`,
        { cause },
      )
      socket.destroy()
    }
    wake()
  })
  const next = async (): Promise<ControlAnswer | undefined> => {
    for (;;) {
      const answer = answers.shift()
      if (answer !== undefined) return answer
      if (failure !== undefined) throw failure
      if (closed) return undefined
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    next,
    async ask(question) {
      socket.write(`${JSON.stringify(question)}\n`)
      const timer = setTimeout(() => socket.destroy(), answerMs)
      const answer = await next().finally(() => clearTimeout(timer))
      if (answer === undefined)
        throw new BitfleetError('unavailable', `the agent at ${path} does not answer; look at its log`)
      if ('error' in answer) throw new BitfleetError(answer.error.code, answer.error.message)
      return answer
    },
    close: () => socket.destroy(),
  }
}
