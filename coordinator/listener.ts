import { createAdaptorServer } from '@hono/node-server'
import { once } from 'node:events'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { BitfleetError, messageOf } from '../shared/errors.ts'
import { hostAndPort, isLoopback } from '../shared/network/address.ts'
import { createCrowd } from '../shared/network/crowd.ts'
import { nameIn, namesOf, readServedCertificate, type ServedCertificate, type TlsFiles } from './certificate.ts'

/** How long a request's headers may take to arrive: a peer that sends them byte by byte holds nothing for longer. */
const headersMs = 10_000
/** And the whole of a request: 1 GiB at 5 Mbit/s. */
const requestMs = 30 * 60_000
const handshakeMs = 10_000
/** Connections that are no agent's line: people's, clients', and whoever's has not said yet what it wants. */
const strangers = { max: 1024, maxPerAddress: 256 }

export interface ListenerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Left out, it serves without TLS. */
  readonly tls?: TlsFiles
  readonly log: (message: string) => void
}

/** What a client on this machine needs to find and trust this server. */
export interface ListenerAddress {
  readonly url: string
  /** Where to connect to, whatever the URL's name resolves to. */
  readonly at?: string
  /** The server's own certificate, PEM. */
  readonly certificate?: string
}

/** An HTTP server, with or without TLS, that bounds what strangers may hold of it. */
export interface Listener {
  readonly server: Server
  /** What its certificate lets it be called; nothing without TLS. */
  readonly names: readonly string[]
  /** @throws `conflict` where the port is taken, `system` */
  listen(): Promise<ListenerAddress>
  /** Reads certificate and key again, for connections from now on. @throws `usage`, and the old ones stay in force */
  reload(): ListenerAddress
  /** Ends every connection that there still is. */
  closeConnections(): void
}

/** @throws `usage` for a certificate or a key that cannot be used */
export function createListener(
  fetch: Parameters<typeof createAdaptorServer>[0]['fetch'],
  { host, port, tls, log }: ListenerOptions,
): Listener {
  let served: ServedCertificate | undefined = tls && readServedCertificate(tls, log)
  const limits = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: 5_000,
    keepAlive: true,
  }
  const server = (
    served === undefined
      ? createAdaptorServer({ fetch, createServer: createHttpServer, serverOptions: limits })
      : createAdaptorServer({
          fetch,
          createServer: createHttpsServer,
          serverOptions: { ...limits, handshakeTimeout: handshakeMs, cert: served.cert, key: served.key },
        })
  ) as Server
  const closeConnections = boundStrangers(server)

  const addressOf = (): ListenerAddress => {
    const { address, port: taken } = server.address() as AddressInfo
    // Bound to every address, it is reached from here by loopback.
    const at = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
    if (served === undefined) return { url: `http://${hostAndPort({ host: at, port: taken })}` }
    const name = nameIn(served.leaf, at, isLoopback(host))
    return { url: `https://${hostAndPort({ host: name, port: taken })}`, at, certificate: served.leaf.toString() }
  }

  return {
    server,
    // Clients on this machine call it by one of them, whatever else it answers to.
    names: served === undefined ? [] : [...namesOf(served.leaf), nameIn(served.leaf, '127.0.0.1', isLoopback(host))],
    closeConnections,
    async listen() {
      try {
        server.listen(port, host)
        await once(server, 'listening')
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EADDRINUSE') {
          throw new BitfleetError(
            'conflict',
            `${host}:${port} is taken; choose another with --port, or --port 0 for a free one`,
          )
        }
        throw new BitfleetError('system', `cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error })
      }
      if (tls === undefined && !isLoopback(host)) {
        log(`listening on ${host} without TLS: tokens and results can be read on the network; see --tls-cert`)
      }
      return addressOf()
    },
    reload() {
      if (tls === undefined) return addressOf()
      served = readServedCertificate(tls, log)
      ;(server as unknown as HttpsServer).setSecureContext({ cert: served.cert, key: served.key })
      return addressOf()
    },
  }
}

/**
 * Bounds the connections that are not lines of agents, from the moment they are accepted, before TLS and before any
 * request. Agents' lines have bounds of their own.
 *
 * @returns what ends them all
 */
function boundStrangers(server: Server): () => void {
  const crowd = createCrowd(strangers)
  // TLS puts a socket of its own over the one that was accepted; both have the peer's address and port.
  const peerOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
  const here = new Map<string, { socket: Socket; leave: () => void }>()
  server.on('connection', (socket) => {
    const peer = peerOf(socket)
    const entry = { socket, leave: crowd.enter(socket.remoteAddress ?? '', () => socket.destroy()) }
    here.set(peer, entry)
    socket.once('close', () => {
      entry.leave()
      if (here.get(peer) === entry) here.delete(peer)
    })
  })
  server.on('upgrade', (_request, stream: Socket) => {
    const entry = here.get(peerOf(stream))
    // Whether it was taken is known once all who listen have had it; what was turned away counts until it is gone.
    setImmediate(() => {
      if (!stream.writableEnded) entry?.leave()
    })
  })
  return () => {
    for (const { socket } of here.values()) socket.destroy()
  }
}
