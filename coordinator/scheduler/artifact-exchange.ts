import { type Digest, chunkBytes, digestOf } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import type { CoordinatorMessage } from '../../shared/messages.ts'

export interface Piece {
  readonly digest: Digest
  readonly offset: number
  readonly total: number
}

/** Artifacts over one agent's line, both ways, in pieces of at most 1 MiB. */
export interface ArtifactExchange {
  /** Asks the agent. Undefined if it has not got them, ends, dawdles, or sends other bytes than it said. */
  fetch(digest: Digest): Promise<Uint8Array | undefined>
  /** A piece came; one nobody waits for is dropped. */
  take(piece: Piece, body: Uint8Array): void
  /** The agent has not got it. */
  missing(digest: Digest): void
  /** Sends bytes the agent asked for, one artifact after the other. @throws `limit` if it asks for too many at once */
  serve(digest: Digest, read: () => Promise<Uint8Array | undefined>): Promise<void>
  end(): void
}

interface Pending {
  readonly promise: Promise<Uint8Array | undefined>
  readonly pieces: Uint8Array[]
  received: number
  total?: number
  settle(bytes: Uint8Array | undefined): void
  /** The agent gets the whole time again whenever a piece has come. */
  alive(): void
}

export interface ExchangeOptions {
  readonly limitBytes?: number
  readonly idleMs?: number
  readonly warn?: (message: string) => void
}

/** Artifacts that an agent may have asked for and not yet been sent. */
const maxAsked = 256

export function createArtifactExchange(
  send: (message: CoordinatorMessage, body?: Uint8Array) => Promise<void>,
  { limitBytes = 1 << 30, idleMs = 30_000, warn = () => {} }: ExchangeOptions = {},
): ArtifactExchange {
  const pending = new Map<Digest, Pending>()
  let ended = false
  let serving: Promise<void> = Promise.resolve()
  let asked = 0

  const open = (digest: Digest): Pending => {
    let resolve = (_bytes: Uint8Array | undefined) => {}
    const promise = new Promise<Uint8Array | undefined>((settled) => {
      resolve = settled
    })
    let timer: NodeJS.Timeout | undefined
    const one: Pending = {
      promise,
      pieces: [],
      received: 0,
      settle(bytes) {
        clearTimeout(timer)
        pending.delete(digest)
        resolve(bytes)
      },
      alive() {
        clearTimeout(timer)
        timer = setTimeout(() => one.settle(undefined), idleMs)
      },
    }
    pending.set(digest, one)
    one.alive()
    return one
  }

  return {
    fetch(digest) {
      const known = pending.get(digest)
      if (known) return known.promise
      if (ended) return Promise.resolve(undefined)
      const one = open(digest)
      send({ type: 'want', digest }).catch(() => one.settle(undefined))
      return one.promise
    },
    take({ digest, offset, total }, body) {
      const one = pending.get(digest)
      if (!one) return
      one.total ??= total
      const sound =
        offset === one.received &&
        total === one.total &&
        total <= limitBytes &&
        offset + body.byteLength <= total &&
        (body.byteLength > 0 || total === 0)
      if (!sound) {
        warn(
          `${digest}: piece at ${offset} of ${body.byteLength} bytes does not continue ${one.received} of ${one.total}`,
        )
        return one.settle(undefined)
      }
      // The frame's buffer is the transport's; a piece outlives it.
      one.pieces.push(Uint8Array.from(body))
      one.received += body.byteLength
      if (one.received < total) return one.alive()
      const bytes = Buffer.concat(one.pieces)
      const actual = digestOf(bytes)
      if (actual !== digest) warn(`${digest}: the bytes sent for it have the digest ${actual}`)
      one.settle(actual === digest ? bytes : undefined)
    },
    missing: (digest) => pending.get(digest)?.settle(undefined),
    serve(digest, read) {
      if (asked >= maxAsked)
        throw new BitfleetError('limit', `more than ${maxAsked} artifacts asked for and not yet taken`)
      asked++
      serving = serving.then(async () => {
        const bytes = await read()
        if (!bytes) return send({ type: 'missing', digest, reason: 'this coordinator does not have it for you' })
        const total = bytes.byteLength
        for (let offset = 0; offset === 0 || offset < total; offset += chunkBytes) {
          await send({ type: 'piece', digest, offset, total }, bytes.subarray(offset, offset + chunkBytes))
        }
      })
      // A line that broke ends what was asked on it.
      serving = serving
        .catch((error: unknown) => warn(`${digest}: not sent: ${messageOf(error)}`))
        .finally(() => {
          asked--
        })
      return serving
    },
    end() {
      ended = true
      for (const one of [...pending.values()]) one.settle(undefined)
    },
  }
}
