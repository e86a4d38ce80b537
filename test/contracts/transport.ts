import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { sha256Hex } from '../../shared/digest.ts'
import { createTensor } from '../../shared/tensor.ts'
import type { Connection, LineOptions, Transport } from '../../shared/transports/transport.ts'
import { hostileTensors } from '../hostile-bits.ts'

/** What every line between agent and coordinator must keep to. */
export function transportContract(transport: Transport): void {
  const opened: (() => void)[] = []
  afterEach(() => {
    for (const close of opened.splice(0).reverse()) close()
  })

  async function listen(options?: LineOptions) {
    const http = createServer((_, response) => response.writeHead(426).end())
    const server = transport.createServer(options)
    const arrived: Connection[] = []
    let announce: (connection: Connection) => void = () => {}
    server.attach(http, '/line', (connection) => {
      arrived.push(connection)
      announce(connection)
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    opened.push(
      () => http.close(),
      () => server.close(),
    )
    const { port } = http.address() as AddressInfo
    const next = () => {
      const waiting = arrived.shift()
      if (waiting !== undefined) return Promise.resolve(waiting)
      return new Promise<Connection>((resolve) => {
        announce = (connection) => {
          arrived.pop()
          resolve(connection)
        }
      })
    }
    return { http, server, port, url: `http://127.0.0.1:${port}/line`, next }
  }

  async function pair(options?: LineOptions) {
    const { url, next } = await listen(options)
    const [near, far] = await Promise.all([transport.connect(url, options), next()])
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

  it('notices a peer that gives no sign of life', async () => {
    const { port, next } = await listen({ heartbeatMs: 50 })
    const mute = connect(port, '127.0.0.1')
    opened.push(() => mute.destroy())
    mute.resume()
    mute.write(upgradeRequest(port))
    const far = await next()
    expect(await far.closed).toMatch(/no sign of life/)
  })

  it('keeps a silent but living line open', async () => {
    const { near, far } = await pair({ heartbeatMs: 20 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await near.send({ still: 'here' })
    expect(await take(far, 1)).toEqual([{ message: { still: 'here' } }])
  })

  it('refuses pages in browsers, other paths, and garbage', async () => {
    const { port, next } = await listen()
    expect(await answerTo(port, upgradeRequest(port, '/line', 'Origin: http://127.0.0.1'))).toMatch(/^HTTP\/1.1 403/)
    expect(await answerTo(port, upgradeRequest(port, '/lines'))).toMatch(/^HTTP\/1.1 404/)
    const raw = connect(port, '127.0.0.1')
    opened.push(() => raw.destroy())
    raw.resume()
    raw.write(upgradeRequest(port))
    const far = await next()
    raw.write(Buffer.from([0xc1, 0x01, 0x00, 0xff, 0xff]))
    expect(await far.closed).not.toBe('')
  })

  it('says who cannot be reached', async () => {
    const { port } = await listen()
    await expect(transport.connect(`http://127.0.0.1:${port}/elsewhere`)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/404/),
    })
    await expect(transport.connect('http://127.0.0.1:1/line')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(transport.connect('lab.example')).rejects.toMatchObject({ code: 'usage' })
  })
}

function upgradeRequest(port: number, path = '/line', header = 'X-None: 1'): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
    header,
    '\r\n',
  ].join('\r\n')
}

function answerTo(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (data) => (text += data.toString()))
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
    socket.write(request)
  })
}
