import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** Something that listens on loopback, for a test. */
export interface Running {
  readonly port: number
  close(): void
}

async function run(server: Server): Promise<Running> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

export interface ConnectProxy extends Running {
  /** What it was asked for, `HOST:PORT` each. */
  readonly asked: readonly string[]
}

/** A proxy for CONNECT. Every name leads to loopback, so that tests may call it what they like. */
export async function startProxy(
  options: { credentials?: string; refuses?: number; tls?: { cert: string; key: string } } = {},
): Promise<ConnectProxy> {
  const asked: string[] = []
  const server = options.tls ? (createSecureServer(options.tls) as Server) : createServer()
  server.on('connect', (incoming, near: Socket, head: Buffer) => {
    asked.push(incoming.url ?? '')
    near.on('error', () => near.destroy())
    const expected = options.credentials && `Basic ${Buffer.from(options.credentials).toString('base64')}`
    if (expected && incoming.headers['proxy-authorization'] !== expected) {
      return near.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
    }
    if (options.refuses) return near.end(`HTTP/1.1 ${options.refuses} No\r\nContent-Length: 0\r\n\r\n`)
    const far = connect(Number(incoming.url?.split(':').at(-1)), '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n')
      far.write(head)
      far.pipe(near).pipe(far)
    })
    far.on('error', () => near.destroy())
    near.on('close', () => far.destroy())
  })
  return { asked, ...(await run(server)) }
}

/** A reverse proxy as nginx's `location PREFIX/ { proxy_pass http://127.0.0.1:PORT/; }` makes one: the prefix goes. */
export async function startReverseProxy(prefix: string, target: number): Promise<Running> {
  const onward = (url = '', headers: IncomingHttpHeaders, method = 'GET') =>
    request({
      ...{ host: '127.0.0.1', port: target, method },
      path: url.slice(prefix.length),
      headers: { ...headers, 'x-forwarded-for': '203.0.113.7' },
    })
  const serves = (url = '') => url.startsWith(`${prefix}/`)
  const server = createServer((incoming, answer) => {
    if (!serves(incoming.url)) return answer.writeHead(404).end('this is the lab, not Bitfleet')
    const far = onward(incoming.url, incoming.headers, incoming.method)
    incoming.pipe(far)
    far.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    far.on('error', () => answer.destroy())
  })
  server.on('upgrade', (incoming, near: Socket, head: Buffer) => {
    near.on('error', () => near.destroy())
    if (!serves(incoming.url)) return near.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
    const far = onward(incoming.url, incoming.headers)
    far.on('error', () => near.destroy())
    far.on('upgrade', (response, socket: Socket, rest: Buffer) => {
      const headers = Object.entries(response.headers).map(([name, value]) => `${name}: ${String(value)}\r\n`)
      near.write(`HTTP/1.1 101 Switching Protocols\r\n${headers.join('')}\r\n`)
      near.write(rest)
      socket.write(head)
      socket.on('error', () => near.destroy())
      socket.pipe(near).pipe(socket)
    })
    far.on('response', (response) => near.end(`HTTP/1.1 ${response.statusCode} No\r\nContent-Length: 0\r\n\r\n`))
    far.end()
  })
  return run(server)
}
