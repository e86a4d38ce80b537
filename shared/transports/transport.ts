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
