import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { chunkBytes, digestOf } from '../../shared/digest.ts'
import type { CoordinatorMessage } from '../../shared/messages.ts'
import { createArtifactExchange, type ExchangeOptions } from './artifact-exchange.ts'

const bytes = Uint8Array.from({ length: 10 }, (_, i) => i)
const digest = digestOf(bytes)

type Piece = readonly [offset: number, total: number, body: Uint8Array]
const honest: Piece[] = [
  [0, 10, bytes.subarray(0, 4)],
  [4, 10, bytes.subarray(4, 9)],
  [9, 10, bytes.subarray(9)],
]

function exchangeWith(options: ExchangeOptions = {}) {
  const sent: { message: CoordinatorMessage; body?: Uint8Array }[] = []
  const warnings: string[] = []
  const line = { broken: false }
  const exchange = createArtifactExchange(
    async (message, body) => {
      if (line.broken) throw new Error('the line broke')
      sent.push({ message, ...(body && { body: Uint8Array.from(body) }) })
    },
    { warn: (message) => warnings.push(message), ...options },
  )
  const take = (...pieces: readonly Piece[]) => {
    for (const [offset, total, body] of pieces) exchange.take({ digest, offset, total }, body)
  }
  return { exchange, sent, warnings, line, take }
}

describe('an artifact that the coordinator asks for', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('comes in pieces, whatever becomes of the buffers they came in', async () => {
    const { exchange, sent, warnings } = exchangeWith({ limitBytes: 10 })
    const fetched = exchange.fetch(digest)
    expect(exchange.fetch(digest)).toBe(fetched)
    const buffer = new Uint8Array(5)
    for (const [offset, total, body] of honest) {
      buffer.set(body)
      exchange.take({ digest, offset, total }, buffer.subarray(0, body.length))
    }
    expect(await fetched).toEqual(Buffer.from(bytes))
    expect(sent.map(({ message }) => message)).toEqual([{ type: 'want', digest }])
    expect(warnings).toEqual([])
  })

  it('may have no bytes', async () => {
    const { exchange } = exchangeWith()
    const empty = digestOf(new Uint8Array())
    const fetched = exchange.fetch(empty)
    exchange.take({ digest: empty, offset: 0, total: 0 }, new Uint8Array())
    expect(await fetched).toEqual(Buffer.alloc(0))
  })

  const [first, second, third] = honest as [Piece, Piece, Piece]
  it.each<[string, Piece[]]>([
    ['a gap', [first, third]],
    ['a piece twice', [first, first]],
    ['a start that is not the first byte', [second]],
    ['another total at the end', [first, second, [9, 11, third[2]]]],
    ['a total beyond the limit', [[0, 21, new Uint8Array(1)]]],
    ['more bytes than its total', [first, [4, 10, new Uint8Array(7)]]],
    ['a piece without bytes', [first, [4, 10, new Uint8Array()]]],
  ])('is not taken with %s', async (_, pieces) => {
    const { exchange, warnings, take } = exchangeWith({ limitBytes: 20 })
    const fetched = exchange.fetch(digest)
    take(...pieces)
    // At once, and not when the agent's time is up.
    expect(await fetched).toBeUndefined()
    expect(warnings).toEqual([
      expect.stringMatching(/^sha256:\w+: piece at \d+ of \d+ bytes does not continue \d+ of /),
    ])
  })

  it('is not taken with other bytes than its digest is of', async () => {
    const { exchange, warnings, take } = exchangeWith()
    const fetched = exchange.fetch(digest)
    take([0, 10, new Uint8Array(10)])
    expect(await fetched).toBeUndefined()
    expect(warnings).toEqual([expect.stringMatching(/the bytes sent for it have the digest sha256:/)])
  })

  it('that nobody asked for is dropped', async () => {
    const { exchange, warnings, take } = exchangeWith()
    take(...honest)
    exchange.missing(digest)
    const fetched = exchange.fetch(digest)
    take(...honest)
    expect(await fetched).toEqual(Buffer.from(bytes))
    take(first)
    expect(warnings).toEqual([])
  })

  it('that the agent does not have, or whose line ends, is none', async () => {
    const { exchange, sent, line } = exchangeWith()
    const missing = exchange.fetch(digest)
    exchange.missing(digest)
    expect(await missing).toBeUndefined()
    const open = exchange.fetch(digest)
    exchange.end()
    expect(await open).toBeUndefined()
    expect(await exchange.fetch(digest)).toBeUndefined()
    expect(sent).toHaveLength(2)
    const other = exchangeWith()
    other.line.broken = true
    expect(await other.exchange.fetch(digest)).toBeUndefined()
    expect(line.broken).toBe(false)
  })

  it('is waited for as long as pieces come, and no longer', async () => {
    const { exchange, take } = exchangeWith({ idleMs: 1000 })
    let settled = false
    const fetched = exchange.fetch(digest).finally(() => (settled = true))
    await vi.advanceTimersByTimeAsync(900)
    take(first)
    await vi.advanceTimersByTimeAsync(900)
    take(second)
    await vi.advanceTimersByTimeAsync(900)
    expect(settled).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    expect(await fetched).toBeUndefined()
  })
})

describe('an artifact that an agent asks for', () => {
  it('is sent in pieces, one artifact after the other', async () => {
    const { exchange, sent } = exchangeWith()
    const large = new Uint8Array(chunkBytes + 1)
    const reads: string[] = []
    await Promise.all([
      exchange.serve(digest, async () => (reads.push('large'), large)),
      exchange.serve(digest, async () => (reads.push('empty'), new Uint8Array())),
      exchange.serve(digest, async () => (reads.push('none'), undefined)),
    ])
    expect(reads).toEqual(['large', 'empty', 'none'])
    expect(sent.map(({ message, body }) => [message, body?.length])).toEqual([
      [{ type: 'piece', digest, offset: 0, total: chunkBytes + 1 }, chunkBytes],
      [{ type: 'piece', digest, offset: chunkBytes, total: chunkBytes + 1 }, 1],
      [{ type: 'piece', digest, offset: 0, total: 0 }, 0],
      [{ type: 'missing', digest, reason: 'this coordinator does not have it for you' }, undefined],
    ])
  })

  it('is not read while 256 others wait, and is once they were sent', async () => {
    const { exchange, sent } = exchangeWith()
    const asked = Array.from({ length: 256 }, () => exchange.serve(digest, async () => bytes))
    const one = () => exchange.serve(digest, async () => bytes)
    expect(one).toThrow(expect.objectContaining({ code: 'limit', message: expect.stringMatching(/more than 256/) }))
    await Promise.all(asked)
    await one()
    expect(sent).toHaveLength(257)
  })

  it('that cannot be sent is a warning, and the next is sent', async () => {
    const { exchange, sent, warnings, line } = exchangeWith()
    line.broken = true
    await exchange.serve(digest, async () => bytes)
    line.broken = false
    await exchange.serve(digest, async () => {
      throw new Error('no such file')
    })
    await exchange.serve(digest, async () => bytes)
    expect(warnings).toEqual([`${digest}: not sent: the line broke`, `${digest}: not sent: no such file`])
    expect(sent).toHaveLength(1)
  })
})
