import { createServer } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Connection, ListenOptions } from './transport.ts'
import { connectWebSocket, webSocketTransport } from './websocket.ts'

const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0).reverse()) close()
})

async function listen(options?: ListenOptions) {
  let announce: (connection: Connection) => void = () => {}
  const next = () =>
    new Promise<Connection>((resolve) => {
      announce = resolve
    })
  const server = await webSocketTransport.listen('http://127.0.0.1:0/line', (line) => announce(line), options)
  opened.push(() => server.close())
  return { port: Number(new URL(server.url).port), url: server.url, next }
}

function raw(port: number, text: string): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  opened.push(() => socket.destroy())
  socket.resume()
  socket.write(text)
  return socket
}

describe('a WebSocket line', () => {
  it('is given up by the listening side when its peer gives no sign of life', async () => {
    const { port, next } = await listen({ heartbeatMs: 50 })
    const arrival = next()
    raw(port, upgradeRequest(port))
    expect(await (await arrival).closed).toMatch(/no sign of life/)
  })

  it('is given up by the connecting side, too', async () => {
    const relay = await listen()
    const silenced: Socket[] = []
    const mute = createTcpServer((near) => {
      // Passes the handshake on, and no byte after it.
      const far = connect(relay.port, '127.0.0.1')
      silenced.push(near, far)
      near.on('error', () => {}).on('data', (data) => far.write(data))
      far.on('error', () => {}).once('data', (data) => near.write(data))
    })
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    opened.push(
      () => mute.close(),
      () => silenced.forEach((socket) => socket.destroy()),
    )
    const { port } = mute.address() as { port: number }
    const line = await connectWebSocket(`ws://127.0.0.1:${port}/line`, { heartbeatMs: 50 })
    expect(await line.closed).toMatch(/no sign of life/)
  })

  it('refuses pages in browsers, other paths, and garbage', async () => {
    const { port, next } = await listen()
    expect(await answerTo(port, upgradeRequest(port, '/line', 'Origin: http://127.0.0.1'))).toMatch(/^HTTP\/1.1 403/)
    expect(await answerTo(port, upgradeRequest(port, '/lines'))).toMatch(/^HTTP\/1.1 404/)
    const arrival = next()
    const socket = raw(port, upgradeRequest(port))
    const far = await arrival
    socket.write(Buffer.from([0xc1, 0x01, 0x00, 0xff, 0xff]))
    expect(await far.closed).not.toBe('')
  })

  it('says who cannot be reached, and why', async () => {
    const { port } = await listen()
    const problem = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) })
    await expect(connectWebSocket(`http://127.0.0.1:${port}/elsewhere`)).rejects.toMatchObject(
      problem('unavailable', /404/),
    )
    await expect(connectWebSocket('http://127.0.0.1:1/line')).rejects.toMatchObject(
      problem('unavailable', /nobody listens there/),
    )
    await expect(connectWebSocket('http://coordinator.invalid/line')).rejects.toMatchObject(
      problem('unavailable', /does not resolve|no name server/),
    )
    await expect(connectWebSocket('http://me:hunter2@127.0.0.1:1/line')).rejects.toMatchObject(
      problem('usage', /^(?!.*hunter2)/),
    )
  })

  it('says where a server has moved to, and lets no server write on the terminal', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/moved') response.writeHead(301, { Location: 'https://lab.example/x' }).end()
      else response.writeHead(503, 'B\u00e4d').end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    opened.push(() => server.close())
    const { port } = server.address() as { port: number }
    await expect(connectWebSocket(`http://127.0.0.1:${port}/moved`)).rejects.toThrow(
      'it moved to https://lab.example; give that address',
    )
    await expect(connectWebSocket(`http://127.0.0.1:${port}/`)).rejects.toThrow('answered 503 B?d')
  })

  it('has its port for itself', async () => {
    const { url } = await listen()
    await expect(webSocketTransport.listen(url, () => {})).rejects.toMatchObject({ code: 'conflict' })
    await expect(webSocketTransport.listen('https://127.0.0.1:0/', () => {})).rejects.toMatchObject({ code: 'usage' })
  })
})

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
