import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { BitfleetError } from '../errors.ts'
import { parseAddress } from '../network/address.ts'
import { createNetwork, explainHangUp } from '../network/network.ts'
import { isHangUp } from '../network/problems.ts'
import type { Connection, ConnectOptions, Transport } from './transport.ts'
import { connectionOf, lineDefaults } from './websocket-connection.ts'
import { listenWebSocket } from './websocket-server.ts'

export { createWebSocketServer, type WebSocketServerSide } from './websocket-server.ts'

export const webSocketTransport: Transport = {
  id: 'websocket',
  connect: connectWebSocket,
  listen: listenWebSocket,
}

const handshakeMs = 10_000
const direct = createNetwork()

/** @param url `ws:`, `wss:`, or the `http:` or `https:` address of the same server. */
export async function connectWebSocket(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const { network = direct, ...bounds } = options
  const address = parseAddress(url)
  const stream = await network.open(address)
  const socket = new WebSocket(address, {
    perMessageDeflate: false,
    maxPayload: bounds.maxFrameBytes ?? lineDefaults.maxFrameBytes,
    handshakeTimeout: handshakeMs,
    createConnection: () => stream,
  })
  // Made before the line opens, so that no early frame is missed.
  const connection = connectionOf(socket, stream, bounds)
  let failure: unknown
  socket.once('error', (error) => {
    failure ??= error
  })
  try {
    return await new Promise((resolve, reject) => {
      socket.once('open', () => resolve(connection))
      socket.once('unexpected-response', (request, response) => {
        if (response.statusCode === 400) failure = Object.assign(new Error('answered 400'), { code: 'ECONNRESET' })
        reject(answerProblem(url, response))
        request.destroy()
      })
      void connection.closed.then((reason) => {
        reject(new BitfleetError('unavailable', `${url} cannot be reached: ${reason}`, { cause: failure }))
      })
    })
  } catch (error) {
    // A server that speaks TLS hangs up on plain HTTP, or answers 400.
    throw (isHangUp(failure) ? await explainHangUp(network, address, error) : undefined) ?? error
  }
}

function answerProblem(
  url: string,
  { statusCode = 0, statusMessage = '', headers: { location = '' } }: IncomingMessage,
): BitfleetError {
  if (statusCode >= 300 && statusCode < 400 && URL.canParse(location, url)) {
    const { origin } = new URL(location, url)
    return new BitfleetError('unavailable', `${url} answered ${statusCode}: it moved to ${origin}; give that address`)
  }
  const code = statusCode === 401 || statusCode === 403 ? 'refused' : 'unavailable'
  const said = `${statusCode} ${statusMessage.replace(/[^\x20-\x7e]+/g, '?')}`.trim()
  const remedy =
    statusCode === 404 ? '; the address ends in the path that the coordinator is served under, if there is one' : ''
  return new BitfleetError(code, `${url} answered ${said}: no line for agents there${remedy}`)
}
