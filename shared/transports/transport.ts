import type { Server } from 'node:http'

/**
 * A two-way line between an agent and a coordinator. Frames arrive whole and in order; `send` resolves when the
 * line has taken the frame, so that a slow peer holds the sender back. Knows nothing of what the messages mean.
 */
export interface Connection {
  /** What the peer sends, until the line closes. May be iterated once. */
  readonly frames: AsyncIterable<{ readonly message: unknown; readonly body?: Uint8Array }>
  /** @throws `unavailable` once the line is closed. */
  send(message: unknown, body?: Uint8Array): Promise<void>
  /** Closes for a reason the peer can read. Idempotent. */
  close(reason?: string): void
  /** Resolves, never rejects, with why the line closed. */
  readonly closed: Promise<string>
}

/** Bounds of a line; the defaults are the protocol's, tests use smaller ones. */
export interface LineOptions {
  /** Largest frame accepted and sent, in bytes; default `maxFrameBytes`. */
  readonly maxFrameBytes?: number
  /** How often the peer is asked for a sign of life; it is given up after three times as long without one. */
  readonly heartbeatMs?: number
  /** Bytes received and not yet read, beyond which the peer is held back. */
  readonly maxQueuedBytes?: number
}

/** The side that waits for lines, on a path of an HTTP server. */
export interface LineServer {
  /** Takes over the HTTP server's upgrade requests; those for other paths are refused. */
  attach(server: Server, path: string, onConnection: (connection: Connection) => void): void
  /** Takes no more lines and closes those there are. */
  close(reason?: string): void
}

/** A kind of line; contract suites run over every one that `index.ts` lists. */
export interface Transport {
  readonly id: string
  /** @throws `unavailable` where nobody answers, `refused` where the peer turns us away. */
  connect(url: string, options?: LineOptions): Promise<Connection>
  createServer(options?: LineOptions): LineServer
}
