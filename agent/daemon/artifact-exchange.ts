import { chunkBytes, type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { AgentMessage, CoordinatorMessage } from '../../shared/messages.ts'
import type { ArtifactCache } from './artifact-cache.ts'

type Send = (message: AgentMessage, body?: Uint8Array) => Promise<void>
type Piece = Extract<CoordinatorMessage, { type: 'piece' }>

/** Bytes wanted by digest, both ways: tensors that the coordinator asks for, inputs that this agent asks for. */
export interface ArtifactExchange {
  /**
   * A user's own array, from the cache or from the coordinator; waits over any number of lines.
   *
   * @throws `not-found` where the coordinator does not have it, `digest-mismatch` where it sends other bytes
   */
  fetch(digest: Digest, signal: AbortSignal): Promise<Uint8Array>
  /** A line is open: asks again for all that is still wanted. Undefined once it is closed. */
  useLine(send: Send | undefined): void
  /** The coordinator wants bytes of the cache. */
  serve(digest: Digest): void
  takePiece(piece: Piece, body: Uint8Array): void
  takeMissing(digest: Digest, reason: string): void
}

/** Largest input an agent takes, in bytes. */
const maxInputBytes = 2 ** 31

interface Arrival {
  readonly result: Promise<Uint8Array>
  readonly resolve: (bytes: Uint8Array) => void
  readonly reject: (error: BitfleetError) => void
  pieces: Uint8Array[]
  received: number
}

export function createArtifactExchange(cache: ArtifactCache): ArtifactExchange {
  const arrivals = new Map<Digest, Arrival>()
  let line: Send | undefined
  /** Served one after another, so that no more than one tensor at a time is held in memory. */
  let serving: Promise<void> = Promise.resolve()

  // A line that breaks while it sends ends by itself; what was wanted is asked for again on the next.
  const ask = (digest: Digest) => void line?.({ type: 'want', digest }).catch(() => {})

  const expect = (digest: Digest): Arrival => {
    const known = arrivals.get(digest)
    if (known !== undefined) return known
    let resolve: Arrival['resolve'] = () => {}
    let reject: Arrival['reject'] = () => {}
    const result = new Promise<Uint8Array>((yes, no) => {
      resolve = yes
      reject = no
    })
    result.catch(() => {})
    const arrival: Arrival = { result, resolve, reject, pieces: [], received: 0 }
    arrivals.set(digest, arrival)
    ask(digest)
    return arrival
  }

  const fail = (digest: Digest, error: BitfleetError) => {
    arrivals.get(digest)?.reject(error)
    arrivals.delete(digest)
  }

  const send = async (digest: Digest, to: Send) => {
    const bytes = await cache.read(digest)
    if (bytes === undefined) {
      return await to({ type: 'missing', digest, reason: 'this agent no longer holds it, or never kept it' })
    }
    const total = bytes.byteLength
    for (let offset = 0; offset === 0 || offset < total; offset += chunkBytes) {
      await to({ type: 'piece', digest, offset, total }, bytes.subarray(offset, offset + chunkBytes))
    }
  }

  return {
    async fetch(digest, signal) {
      const held = await cache.read(digest)
      if (held !== undefined) return held
      const { result } = expect(digest)
      return await Promise.race([result, rejectedBy(signal)])
    },
    useLine(next) {
      line = next
      for (const [digest, arrival] of arrivals) {
        arrival.pieces = []
        arrival.received = 0
        ask(digest)
      }
    },
    serve(digest) {
      const to = line
      if (to !== undefined) serving = serving.then(() => (to === line ? send(digest, to) : undefined)).catch(() => {})
    },
    takePiece({ digest, offset, total }, body) {
      const arrival = arrivals.get(digest)
      if (arrival === undefined) return
      if (total > maxInputBytes)
        return fail(digest, new BitfleetError('limit', `input ${digest} has ${total} bytes, too many`))
      if (offset !== arrival.received || offset + body.byteLength > total) {
        return fail(
          digest,
          new BitfleetError('protocol', `input ${digest}: a piece at byte ${offset} after ${arrival.received}`),
        )
      }
      arrival.pieces.push(body)
      arrival.received += body.byteLength
      if (arrival.received < total) return
      const bytes = new Uint8Array(Buffer.concat(arrival.pieces))
      if (digestOf(bytes) !== digest) {
        return fail(digest, new BitfleetError('digest-mismatch', `input ${digest}: the coordinator sent other bytes`))
      }
      arrivals.delete(digest)
      void cache.put(bytes).catch(() => {})
      arrival.resolve(bytes)
    },
    takeMissing(digest, reason) {
      fail(digest, new BitfleetError('not-found', `the coordinator does not have input ${digest}: ${reason}`))
    },
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => reject(new BitfleetError('unavailable', 'cancelled while waiting for an input'))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}
