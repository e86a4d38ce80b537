import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { BitfleetError, messageOf } from '../errors.ts'
import { hostAndPort, parseAddress, targetOf } from '../network/address.ts'
import { createCrowd } from '../network/crowd.ts'
import type { Connection, LineServer, ListenOptions } from './transport.ts'
import { connectionOf, lineDefaults, type WebSocketConnection } from './websocket-connection.ts'

/** Lines that arrive at HTTP servers of the caller's. */
export interface WebSocketServerSide {
  /** Takes over the HTTP server's upgrade requests; those for other paths are refused. */
  attach(server: Server, path: string, onConnection: (connection: Connection) => void): void
  /** Takes no more lines and closes those there are. */
  close(reason?: string): void
}

/** A peer that means well shows who it is in its first frame, of some kilobytes, a round trip after it came. */
const strangerBounds = { maxUnproven: 512, maxUnprovenPerAddress: 128, proofMs: 20_000, maxUnprovenBytes: 256 << 10 }

/**
 * Programs alone speak this protocol: a request with an Origin header comes from a page in a browser and is refused, so
 * that no site can use a visitor's network to reach a coordinator.
 */
export function createWebSocketServer(options: ListenOptions = {}): WebSocketServerSide {
  const bounds = { ...strangerBounds, ...options }
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes ?? lineDefaults.maxFrameBytes,
  })
  const connections = new Set<Connection>()
  const crowd = createCrowd({ max: bounds.maxUnproven, maxPerAddress: bounds.maxUnprovenPerAddress })
  let closing: string | undefined
  return {
    attach(httpServer, path, onConnection) {
      httpServer.on('upgrade', (request: IncomingMessage, stream: Socket, head: Buffer) => {
        stream.on('error', () => stream.destroy())
        if (pathOf(request) !== path) return refuse(stream, '404 Not Found')
        if (request.headers.origin !== undefined) return refuse(stream, '403 Forbidden')
        if (closing !== undefined) return refuse(stream, '503 Service Unavailable')
        server.handleUpgrade(request, stream, head, (socket) => {
          const line = connectionOf(socket, stream, options)
          const connection: Connection = { ...line, proven: watchStranger(line, stream) }
          connections.add(connection)
          void line.closed.then(() => connections.delete(connection))
          onConnection(connection)
        })
      })
    },
    close(reason = 'the server is closing') {
      closing ??= reason
      for (const connection of connections) connection.close(closing)
      server.close()
    },
  }

  /** Bounds a line until its peer is proven. @returns what to call then */
  function watchStranger(line: WebSocketConnection, stream: Socket): () => void {
    let bytes = 0
    const count = (piece: Buffer) => {
      bytes += piece.byteLength
      if (bytes > bounds.maxUnprovenBytes) {
        line.cut(`more than ${bounds.maxUnprovenBytes} bytes came before the peer showed who it is`)
      }
    }
    const leave = crowd.enter(stream.remoteAddress ?? '', () => line.cut('too many peers have not shown who they are'))
    const timer = setTimeout(
      () => line.cut(`the peer did not show who it is within ${bounds.proofMs / 1000} s`),
      bounds.proofMs,
    ).unref()
    stream.on('data', count)
    const done = () => {
      leave()
      clearTimeout(timer)
      stream.off('data', count)
    }
    void line.closed.then(done)
    return done
  }
}

/** A WebSocket server of its own, at `http://HOST:PORT/PATH`; port 0 takes a free one. */
export async function listenWebSocket(
  url: string,
  onConnection: (connection: Connection) => void,
  options?: ListenOptions,
): Promise<LineServer> {
  const address = parseAddress(url)
  const target = targetOf(address)
  if (target.secure) {
    throw new BitfleetError('usage', `${url}: lines alone are served without TLS; attach them to an HTTPS server`)
  }
  const server = createServer((_, response) => response.writeHead(426).end())
  const lines = createWebSocketServer(options)
  lines.attach(server, address.pathname, onConnection)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'conflict' : 'unavailable'
      reject(new BitfleetError(code, `cannot listen on ${hostAndPort(target)}: ${messageOf(cause)}`, { cause }))
    })
    server.listen(Number(address.port || 80), target.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${hostAndPort({ host: target.host, port })}${address.pathname}`,
    close(reason) {
      lines.close(reason)
      server.close()
    },
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] as string
}

function refuse(stream: Socket, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  // A peer that does not hang up in its turn would hold the connection for ever.
  stream.resume()
  setTimeout(() => stream.destroy(), 1_000).unref()
}
