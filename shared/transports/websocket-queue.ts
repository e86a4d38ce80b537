import type { WebSocket } from 'ws'

export interface Received {
  readonly message: unknown
  readonly body?: Uint8Array
}

/** Frames received and not yet read. Beyond the bound the socket is not read either, and TCP holds the peer back. */
export function createQueue(socket: WebSocket, maxBytes: number) {
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
