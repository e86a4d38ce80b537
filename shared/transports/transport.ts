import type { Network } from '../network/network.ts'

/**
 * A two-way line between an agent and a coordinator. Frames arrive whole and in order; `send` resolves when the
 * line has taken the frame, so that a slow peer holds the sender back. Knows nothing of what the messages mean.
 */
export interface Connection {
  /** What the peer sends, until the line closes. May be iterated once. */
  readonly frames: AsyncIterable<{ readonly message: unknown; readonly body?: Uint8Array }>
  /** @throws `unavailable` once the line is closed. */
  send(message: unknown, body?: Uint8Array): Promise<void>
  /**
   * The peer has shown who it is. Until the side that waits for lines says so, a line is one of a bounded number, may
   * bring only so many bytes, and is closed after a while. Idempotent; means nothing on the side that connected.
   */
  proven(): void
  /** Closes for a reason the peer can read. Idempotent. */
  close(reason?: string): void
  /** Resolves, never rejects, with why the line closed. */
  readonly closed: Promise<string>
}

/** Bounds of a line; the defaults are the protocol's, tests use smaller ones. */
export interface LineOptions {
  /** Largest frame accepted and sent, in bytes; default `maxFrameBytes`. */
  readonly maxFrameBytes?: number
  /** How often a silent peer is asked for a sign of life; it is given up after four times as long without one. */
  readonly heartbeatMs?: number
  /** Bytes received and not yet read, beyond which the peer is held back. */
  readonly maxQueuedBytes?: number
}

export interface ConnectOptions extends LineOptions {
  /** How this machine reaches others; left out, without a proxy, trusting what the system trusts. */
  readonly network?: Network
}

export interface ListenOptions extends LineOptions {
  /** Lines whose peer has not been proven: how many there are at a time, and how many of them from one address. */
  readonly maxUnproven?: number
  readonly maxUnprovenPerAddress?: number
  /** How long a peer has to be proven. */
  readonly proofMs?: number
  /** How many bytes it may bring until then. */
  readonly maxUnprovenBytes?: number
}

/** The side that waits for lines. */
export interface LineServer {
  /** What `connect` takes to get here. */
  readonly url: string
  /** Takes no more lines and closes those there are. */
  close(reason?: string): void
}

/**
 * A kind of line; contract suites run over every one that `index.ts` lists. Both sides are given an address, and nothing
 * here says who listens at it: for WebSocket it is the coordinator itself, for a broker such as NATS it is the broker,
 * and both sides dial out.
 *
 * How NATS maps to it: the address is `nats://BROKER/PREFIX`. `listen` connects to the broker and subscribes to
 * `PREFIX.connect` in a queue group. `connect` draws an id, subscribes to `PREFIX.line.ID.down`, and requests
 * `PREFIX.connect` with the id; the answer opens the line, no responder is `unavailable`, and a broker that denies the
 * subject is `refused`. A frame is a message on `PREFIX.line.ID.up` or `.down`: `encodeFrame`'s bytes, cut to the broker's
 * `max_payload` and put together again, numbered, as a gap closes the line. `send` resolves when the peer's window has room
 * (the peer grants bytes as `frames` is read), since a broker would take without end; the heartbeat goes over the same
 * subjects, as the broker's own tells nothing of the peer; `close` is a last frame with its reason. `maxUnproven` counts
 * ids that were answered and not proven. `network` gives TLS what it trusts.
 */
export interface Transport {
  readonly id: string
  /**
   * @throws `unavailable` where nobody answers, `refused` where the peer turns us away, `usage` for what is no address;
   *   the message says what to do
   */
  connect(url: string, options?: ConnectOptions): Promise<Connection>
  /** @throws `unavailable`, `conflict` where the address is taken, `usage` */
  listen(url: string, onConnection: (connection: Connection) => void, options?: ListenOptions): Promise<LineServer>
}
