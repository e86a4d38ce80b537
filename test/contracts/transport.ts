import { afterEach, expect, it } from 'vitest'
import { sha256Hex } from '../../shared/digest.ts'
import { createTensor } from '../../shared/tensor.ts'
import type { Connection, ListenOptions, Transport } from '../../shared/transports/transport.ts'
import { hostileTensors } from '../hostile-bits.ts'

/**
 * What every line between agent and coordinator must keep to.
 *
 * @param listenAt an address that `listen` takes, free for every call
 */
export function transportContract(transport: Transport, listenAt: string): void {
  const opened: (() => void)[] = []
  afterEach(() => {
    for (const close of opened.splice(0).reverse()) close()
  })

  async function listen(options?: ListenOptions) {
    const arrived: Connection[] = []
    let announce: (() => void) | undefined
    const arrive = (connection: Connection) => {
      arrived.push(connection)
      announce?.()
    }
    const server = await transport.listen(listenAt, arrive, options)
    opened.push(() => server.close())
    const next = async () => {
      while (arrived.length === 0) {
        await new Promise<void>((resolve) => {
          announce = resolve
        })
      }
      return arrived.shift() as Connection
    }
    return { server, url: server.url, next }
  }

  async function pair(options?: ListenOptions) {
    const { url, next } = await listen(options)
    const [near, far] = await Promise.all([transport.connect(url, options), next()])
    far.proven()
    opened.push(
      () => near.close(),
      () => far.close(),
    )
    return { near, far }
  }

  async function take(connection: Connection, count: number) {
    const frames: { readonly message: unknown; readonly body?: Uint8Array }[] = []
    for await (const frame of connection.frames) {
      frames.push(frame)
      if (frames.length === count) break
    }
    return frames
  }

  it('brings messages whole and in order, both ways', async () => {
    const { near, far } = await pair()
    const sent = Array.from({ length: 200 }, (_, i) => ({
      i,
      text: 'é\u0000"\n\u2028'.repeat(i % 7),
      deep: [{ n: null }],
    }))
    const [atFar, atNear] = await Promise.all([
      take(far, 200),
      take(near, 200),
      ...sent.flatMap((message) => [near.send(message), far.send(message)]),
    ])
    expect(atFar.map(({ message }) => message)).toEqual(sent)
    expect(atNear.map(({ message }) => message)).toEqual(sent)
    expect(atFar.every(({ body }) => body === undefined)).toBe(true)
  })

  it('brings every hostile bit pattern unchanged', async () => {
    const { near, far } = await pair()
    const tensors = hostileTensors()
    expect(tensors.length).toBeGreaterThan(0)
    const arriving = take(far, tensors.length)
    for (const [i, { bytes }] of tensors.entries()) await near.send({ i }, bytes)
    const frames = await arriving
    frames.forEach(({ message, body }, i) => {
      const { dtype, shape, bytes } = tensors[i] as (typeof tensors)[number]
      expect(message).toEqual({ i })
      expect(sha256Hex(body as Uint8Array)).toBe(sha256Hex(bytes))
      expect(createTensor(dtype, shape, body as Uint8Array).bytes.byteLength).toBe(bytes.byteLength)
    })
  })

  it('tells an empty body from none', async () => {
    const { near, far } = await pair()
    void near.send({ a: 1 }, new Uint8Array(0))
    void near.send({ a: 2 })
    const [empty, none] = await take(far, 2)
    expect(empty?.body).toEqual(new Uint8Array(0))
    expect(none?.body).toBeUndefined()
  })

  it('keeps what was sent, whatever the sender does to its buffer next', async () => {
    const { near, far } = await pair()
    const buffer = new Uint8Array(1 << 20).fill(7)
    const sending = near.send({}, buffer)
    buffer.fill(8)
    await sending
    const [frame] = await take(far, 1)
    expect(frame?.body?.every((byte) => byte === 7)).toBe(true)
  })

  it('closes for a reason the peer can read, after what was sent before', async () => {
    const { near, far } = await pair()
    await near.send({ last: true })
    near.close(`enough — ${'ü'.repeat(200)}`)
    near.close('again')
    const frames = []
    for await (const { message } of far.frames) frames.push(message)
    expect(frames).toEqual([{ last: true }])
    expect(await far.closed).toMatch(/^enough — ü+$/)
    expect(await near.closed).toMatch(/^enough — /)
  })

  it('refuses to send once closed', async () => {
    const { near, far } = await pair()
    near.close('done')
    await expect(near.send({})).rejects.toMatchObject({ code: 'unavailable' })
    await far.closed
    await expect(far.send({})).rejects.toMatchObject({ code: 'unavailable' })
    expect(await take(far, 1)).toEqual([])
  })

  it('ends the peer when the reader stops', async () => {
    const { near, far } = await pair()
    await near.send({})
    await take(far, 1)
    expect(await near.closed).not.toBe('')
  })

  it('refuses to send a frame over the bound, and stays open', async () => {
    const { near, far } = await pair({ maxFrameBytes: 4096 })
    await expect(near.send({}, new Uint8Array(4096))).rejects.toMatchObject({ code: 'limit' })
    await expect(near.send({ text: 'ü'.repeat(2048) })).rejects.toMatchObject({ code: 'limit' })
    await near.send({ ok: true })
    expect((await take(far, 1)).map(({ message }) => message)).toEqual([{ ok: true }])
  })

  it('closes on a peer whose frame is over the bound', async () => {
    const { url, next } = await listen({ maxFrameBytes: 4096 })
    const [near, far] = await Promise.all([transport.connect(url), next()])
    opened.push(() => near.close())
    near.send({}, new Uint8Array(1 << 16)).catch(() => {})
    expect(await take(far, 1)).toEqual([])
    expect(await far.closed).toMatch(/max/i)
    await near.closed
  })

  it('holds a fast sender back while the reader is slow, and loses nothing', async () => {
    const maxQueuedBytes = 1 << 20
    const { near, far } = await pair({ maxQueuedBytes })
    const body = new Uint8Array(1 << 20)
    const total = 96
    let taken = 0
    const sending = (async () => {
      for (let i = 0; i < total; i++) {
        await near.send({ i }, body)
        taken++
      }
    })()
    // Nobody reads: what the line takes is bounded by its queue and the kernel's buffers.
    let before = -1
    while (before !== taken) {
      before = taken
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(taken).toBeLessThan(total)
    const frames = await take(far, total)
    await sending
    expect(frames.map(({ message }) => message)).toEqual(Array.from({ length: total }, (_, i) => ({ i })))
  })

  it('keeps a silent but living line open', async () => {
    const { near, far } = await pair({ heartbeatMs: 20 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await near.send({ still: 'here' })
    expect(await take(far, 1)).toEqual([{ message: { still: 'here' } }])
  })

  it('takes a frame that arrives slower than the heartbeat for a sign of life', async () => {
    const { near, far } = await pair({ heartbeatMs: 20, maxQueuedBytes: 1 << 16 })
    // Nobody reads for many periods: the line is held back, not given up, on either side.
    const body = new Uint8Array(1 << 20)
    const sending = Promise.all(Array.from({ length: 8 }, (_, i) => near.send({ i }, body)))
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect((await take(far, 8)).map(({ message }) => message)).toEqual(Array.from({ length: 8 }, (_, i) => ({ i })))
    await sending
  })

  it('closes a line whose peer is not proven in time, and keeps one that is', async () => {
    const { url, next } = await listen({ proofMs: 100 })
    const [a, farA] = await Promise.all([transport.connect(url), next()])
    const [b, farB] = await Promise.all([transport.connect(url), next()])
    opened.push(
      () => a.close(),
      () => b.close(),
    )
    farB.proven()
    farB.proven()
    expect(await a.closed).toMatch(/did not show who it is/)
    expect(await farA.closed).toMatch(/did not show who it is/)
    await b.send({ still: 'here' })
    expect((await take(farB, 1)).map(({ message }) => message)).toEqual([{ still: 'here' }])
  })

  it('takes only so much from a peer that is not proven', async () => {
    const { url, next } = await listen({ maxUnprovenBytes: 1000 })
    const [a, farA] = await Promise.all([transport.connect(url), next()])
    const [b, farB] = await Promise.all([transport.connect(url), next()])
    opened.push(() => b.close())
    a.send({}, new Uint8Array(2000)).catch(() => {})
    expect(await farA.closed).toMatch(/before the peer showed who it is/)
    await a.closed
    farB.proven()
    await b.send({}, new Uint8Array(2000))
    expect((await take(farB, 1))[0]?.body?.byteLength).toBe(2000)
  })

  it('lets a flood of strangers push out strangers alone', async () => {
    const { url, next } = await listen({ maxUnproven: 8 })
    const [near, far] = await Promise.all([transport.connect(url), next()])
    far.proven()
    const strangers: { near: Connection; far: Connection }[] = []
    for (let i = 0; i < 24; i++) {
      const [mine, theirs] = await Promise.all([transport.connect(url), next()])
      strangers.push({ near: mine, far: theirs })
    }
    opened.push(
      () => near.close(),
      ...strangers.map(
        ({ near: mine }) =>
          () =>
            mine.close(),
      ),
    )
    // The oldest had to go, on both sides; the newest, and who was proven, are there.
    for (const { near: mine, far: theirs } of strangers.slice(0, 16)) await Promise.all([mine.closed, theirs.closed])
    expect(await strangers[0]?.far.closed).toMatch(/too many/)
    const last = strangers.at(-1) as (typeof strangers)[number]
    await last.near.send({ i: 1 })
    expect((await take(last.far, 1)).map(({ message }) => message)).toEqual([{ i: 1 }])
    await near.send({ i: 2 })
    expect((await take(far, 1)).map(({ message }) => message)).toEqual([{ i: 2 }])
  })

  it('says who cannot be reached, once the listening side is gone', async () => {
    const { server, url, next } = await listen()
    const [near] = await Promise.all([transport.connect(url), next()])
    server.close('enough')
    expect(await near.closed).toBe('enough')
    await expect(transport.connect(url)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(transport.connect('lab.example')).rejects.toMatchObject({ code: 'usage' })
  })
}
