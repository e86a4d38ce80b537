import { BitfleetError } from '../shared/errors.ts'
import type { Connection } from '../shared/transports/transport.ts'

/** Both ends of a line within this process. Messages cross it as JSON, as they do every other. */
export function createMemoryLine(): [Connection, Connection] {
  const [a, b] = [createInbox(), createInbox()]
  let settle = (_reason: string) => {}
  const closed = new Promise<string>((resolve) => {
    settle = resolve
  })
  let open = true
  const close = (reason = 'closed') => {
    open = false
    a.end()
    b.end()
    settle(reason)
  }
  const endOf = (own: Inbox, peer: Inbox): Connection => ({
    frames: own.frames(),
    closed,
    proven() {},
    close,
    async send(message, body) {
      if (!open) throw new BitfleetError('unavailable', 'the line is closed')
      peer.push({ message: JSON.parse(JSON.stringify(message)), ...(body && { body: Uint8Array.from(body) }) })
    },
  })
  return [endOf(a, b), endOf(b, a)]
}

type Received = { message: unknown; body?: Uint8Array }
type Inbox = ReturnType<typeof createInbox>

function createInbox() {
  const waiting: Received[] = []
  let ended = false
  let wake = () => {}
  return {
    push(frame: Received) {
      waiting.push(frame)
      wake()
    },
    end() {
      ended = true
      wake()
    },
    async *frames(): AsyncGenerator<Received> {
      for (;;) {
        const next = waiting.shift()
        if (next) yield next
        else if (ended) return
        else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    },
  }
}
