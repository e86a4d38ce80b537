import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { BitfleetError, messageOf } from '../errors.ts'
import { maxFrameBytes } from '../messages.ts'
import { decodeFrame, encodeFrame, parseMessage } from './frame.ts'
import type { Connection, LineOptions } from './transport.ts'
import { createQueue } from './websocket-queue.ts'

// Text frame: a JSON message. Binary frame: a message with bytes (frame.ts). No compression: tensors do not shrink, and
// a small frame must not be able to become a large one.

/** With these a peer that went away without a word is given up 30 to 40 s after its last one. */
export const lineDefaults = { maxFrameBytes, heartbeatMs: 10_000, maxQueuedBytes: 16 << 20 }
/** How long a peer may take to answer our close before the line is cut. */
const farewellMs = 2_000
/** Room for a close reason in a WebSocket frame, in UTF-8 bytes. */
const maxReasonBytes = 123
/** Periods of the heartbeat without a byte, after the one that the last byte came in, that end a line. */
const maxSilentPeriods = 3

/** A line over a socket that is open or opening. */
export interface WebSocketConnection extends Connection {
  /** Ends the line now, without waiting for the peer; the reason reaches it if it can. */
  cut(reason: string): void
}

/** @param stream what the socket's bytes come from */
export function connectionOf(socket: WebSocket, stream: Socket, options: LineOptions): WebSocketConnection {
  const bounds = { ...lineDefaults, ...options }
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
  const cut = (reason: string) => {
    close(reason, 1013)
    // The farewell is on its way, or the peer does not read.
    setImmediate(() => socket.terminate())
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
  const stopHeartbeat = startHeartbeat(socket, stream, bounds.heartbeatMs, (reason) => {
    why ??= reason
    socket.terminate()
  })

  return {
    frames: queue.frames(close),
    closed,
    proven() {},
    close: (reason) => close(reason),
    cut,
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

/**
 * Gives the peer up when it has been silent for too long. Any byte is a sign of life, also one of a large frame that is
 * still arriving; it is asked for one only when a period brought none, so that of two sides mostly one asks.
 */
function startHeartbeat(
  socket: WebSocket,
  stream: Socket,
  periodMs: number,
  onDead: (reason: string) => void,
): () => void {
  let silentPeriods = 0
  let bytesRead = 0
  const timer = setInterval(() => {
    if (socket.readyState !== WebSocket.OPEN) return
    if (stream.bytesRead !== bytesRead) {
      bytesRead = stream.bytesRead
      silentPeriods = 0
      // While this side does not read, the peer must still hear of it.
      if (!socket.isPaused) return
    } else if (!socket.isPaused) {
      // Paused, the peer's answers would wait unread: its silence would mean nothing.
      silentPeriods++
    }
    if (silentPeriods >= maxSilentPeriods) {
      return onDead(`the peer gave no sign of life for ${(maxSilentPeriods * periodMs) / 1000} s`)
    }
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
