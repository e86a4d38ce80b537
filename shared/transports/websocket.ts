import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { BitfleetError, messageOf } from '../errors.ts'
import { maxFrameBytes } from '../messages.ts'
import { decodeFrame, encodeFrame, parseMessage } from './frame.ts'
import type { Connection, LineOptions, LineServer, Transport } from './transport.ts'

// Text frame: a JSON message. Binary frame: a message with bytes (frame.ts). No compression: tensors do not shrink, and
// a small frame must not be able to become a large one.

export const webSocketTransport: Transport = {
  id: 'websocket',
  connect: connectWebSocket,
  createServer: createWebSocketServer,
}

const defaults = { maxFrameBytes, heartbeatMs: 15_000, maxQueuedBytes: 16 << 20 }
const handshakeMs = 10_000
/** How long a peer may take to answer our close before the line is cut. */
const farewellMs = 2_000
/** Room for a close reason in a WebSocket frame, in UTF-8 bytes. */
const maxReasonBytes = 123

/** @param url `ws:`, `wss:`, or the `http:` or `https:` address of the same server. */
export async function connectWebSocket(url: string, options: LineOptions = {}): Promise<Connection> {
  let socket: WebSocket
  try {
    socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes ?? defaults.maxFrameBytes,
      handshakeTimeout: handshakeMs,
    })
  } catch (cause) {
    throw new BitfleetError('usage', `"${url}" is not an address to connect to: ${messageOf(cause)}`, { cause })
  }
  // Made before the line opens, so that no early frame is missed.
  const connection = connectionOf(socket, options)
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(connection))
    socket.once('unexpected-response', (request, { statusCode = 0, statusMessage = '' }) => {
      const code = statusCode === 401 || statusCode === 403 ? 'refused' : 'unavailable'
      reject(new BitfleetError(code, `${url} answered ${statusCode} ${statusMessage}: no line for agents there`))
      request.destroy()
    })
    void connection.closed.then((reason) => {
      reject(new BitfleetError('unavailable', `${url} cannot be reached: ${reason}`))
    })
  })
}

/**
 * Programs alone speak this protocol: a request with an Origin header comes from a page in a browser and is refused, so
 * that no site can use a visitor's network to reach a coordinator.
 */
export function createWebSocketServer(options: LineOptions = {}): LineServer {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes ?? defaults.maxFrameBytes,
  })
  const connections = new Set<Connection>()
  let closing: string | undefined
  return {
    attach(httpServer, path, onConnection) {
      httpServer.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
        stream.on('error', () => stream.destroy())
        if (pathOf(request) !== path) return refuse(stream, '404 Not Found')
        if (request.headers.origin !== undefined) return refuse(stream, '403 Forbidden')
        if (closing !== undefined) return refuse(stream, '503 Service Unavailable')
        server.handleUpgrade(request, stream, head, (socket) => {
          const connection = connectionOf(socket, options)
          connections.add(connection)
          void connection.closed.then(() => connections.delete(connection))
          onConnection(connection)
        })
      })
    },
    close(reason = 'the server is closing') {
      closing ??= reason
      for (const connection of connections) connection.close(closing)
      server.close()
    },
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] as string
}

function refuse(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

interface Received {
  readonly message: unknown
  readonly body?: Uint8Array
}

function connectionOf(socket: WebSocket, options: LineOptions): Connection {
  const bounds = { ...defaults, ...options }
  const queue = createQueue(socket, bounds.maxQueuedBytes)
  let settle = (_reason: string) => {}
  const closed = new Promise<string>((resolve) => {
    settle = resolve
  })
  /** Why the line closes, as far as this side knows it. */
  let why: string | undefined

  const close = (reason = 'closed', code = 1000) => {
    why ??= reason
    if (socket.readyState === WebSocket.CONNECTING || socket.readyState === WebSocket.OPEN) {
      queue.discard()
      socket.close(code, truncate(why))
      setTimeout(() => socket.terminate(), farewellMs).unref()
    }
  }

  socket.on('message', (data: Buffer, isBinary: boolean) => {
    try {
      queue.push(
        isBinary ? decodeFrame(plain(data)) : { message: parseMessage(data.toString('utf8')) },
        data.byteLength,
      )
    } catch (error) {
      close(messageOf(error), 1002)
    }
  })
  socket.on('error', (error) => {
    why ??= messageOf(error) || ((error as NodeJS.ErrnoException).code ?? 'the line broke')
  })
  socket.once('close', (_code, reason: Buffer) => {
    stopHeartbeat()
    queue.end()
    settle(why ?? (reason.toString('utf8') || 'the peer went away'))
  })
  const stopHeartbeat = startHeartbeat(socket, bounds.heartbeatMs, (reason) => {
    why ??= reason
    socket.terminate()
  })

  return {
    frames: queue.frames(close),
    closed,
    close: (reason) => close(reason),
    async send(message, body) {
      if (socket.readyState !== WebSocket.OPEN) {
        throw new BitfleetError('unavailable', `the line is closed${why === undefined ? '' : `: ${why}`}`)
      }
      const data = body === undefined ? JSON.stringify(message) : encodeFrame(message, body)
      const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
      if (bytes > bounds.maxFrameBytes) {
        throw new BitfleetError('limit', `a frame of ${bytes} bytes is over the ${bounds.maxFrameBytes} a line takes`)
      }
      await new Promise<void>((resolve, reject) => {
        socket.send(data, (error) => {
          if (error)
            reject(new BitfleetError('unavailable', `the line broke: ${why ?? messageOf(error)}`, { cause: error }))
          else resolve()
        })
      })
    },
  }
}

/** Frames received and not yet read. Beyond the bound the socket is not read either, and TCP holds the peer back. */
function createQueue(socket: WebSocket, maxBytes: number) {
  let waiting: { frame: Received; bytes: number }[] = []
  let queuedBytes = 0
  let ended = false
  let discarding = false
  let wake = () => {}

  return {
    push(frame: Received, bytes: number): void {
      if (discarding) return
      waiting.push({ frame, bytes })
      queuedBytes += bytes
      if (queuedBytes > maxBytes) socket.pause()
      wake()
    },
    /** Nothing more is wanted; the socket is read on, so that the peer's farewell arrives. */
    discard(): void {
      discarding = true
      waiting = []
      ended = true
      socket.resume()
      wake()
    },
    end(): void {
      ended = true
      wake()
    },
    async *frames(close: (reason: string) => void): AsyncGenerator<Received> {
      try {
        for (;;) {
          const next = waiting.shift()
          if (next !== undefined) {
            queuedBytes -= next.bytes
            if (queuedBytes <= maxBytes / 2 && socket.isPaused) socket.resume()
            yield next.frame
          } else if (ended) return
          else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      } finally {
        close('nobody reads this line any more')
      }
    },
  }
}

/** Asks for a sign of life, and gives the peer up when three periods brought none. */
function startHeartbeat(socket: WebSocket, periodMs: number, onDead: (reason: string) => void): () => void {
  let unanswered = 0
  const alive = () => {
    unanswered = 0
  }
  for (const event of ['message', 'ping', 'pong'] as const) socket.on(event, alive)
  const timer = setInterval(() => {
    // While this side does not read, the peer's answers wait unread: its silence means nothing.
    if (socket.readyState !== WebSocket.OPEN || socket.isPaused) return
    if (unanswered >= 2) return onDead(`the peer gave no sign of life for ${(3 * periodMs) / 1000} s`)
    unanswered++
    socket.ping()
  }, periodMs)
  timer.unref()
  return () => clearInterval(timer)
}

function plain(data: Buffer): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** The longest beginning that fits, not cut inside a character. */
function truncate(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.byteLength <= maxReasonBytes) return reason
  let end = maxReasonBytes
  while (((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end).toString('utf8')
}
