import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type PeerCertificate, type SecureContext, type TLSSocket } from 'node:tls'
import { isBitfleetError } from '../errors.ts'
import { hostAndPort, type Target } from './address.ts'
import { proxyProblem, type ShownCertificate, tcpProblem, tlsProblem } from './problems.ts'
import type { Proxy } from './proxy.ts'

// The steps to a peer, each with its own errors (`problems.ts`, all `unavailable`).

/** How long a step may take: TCP, a proxy's answer, a TLS handshake. */
const stepMs = 10_000

/** @param at where to go in place of the target's host, which then only names it */
export async function openTcp(target: Target, at: string = target.host): Promise<Socket> {
  const socket = connectTcp({ host: at, port: target.port, noDelay: true, keepAlive: true })
  try {
    await inTime(once(socket, 'connect'))
    return socket
  } catch (error) {
    socket.destroy()
    throw tcpProblem(target, error)
  }
}

/** A connection to a target that a proxy passes on. */
export async function openTunnel(proxy: Proxy, target: Target, secureContext: () => SecureContext): Promise<Socket> {
  const raw = await openTcp(proxy)
  const line = proxy.secure ? await startTls(raw, proxy, secureContext()) : raw
  const authority = hostAndPort(target)
  const request = (proxy.secure ? httpsRequest : httpRequest)({
    method: 'CONNECT',
    path: authority,
    headers: {
      Host: authority,
      ...(proxy.authorization === undefined ? {} : { 'Proxy-Authorization': proxy.authorization }),
    },
    createConnection: () => line,
  })
  request.end()
  try {
    // A refusal, too, comes as this event.
    const [response, socket, head] = (await inTime(once(request, 'connect'))) as [IncomingMessage, Socket, Buffer]
    const { statusCode = 0 } = response
    if (statusCode < 200 || statusCode > 299) throw proxyProblem(proxy, target, statusCode)
    if (head.byteLength > 0) socket.unshift(head)
    return socket
  } catch (error) {
    request.destroy()
    line.destroy()
    throw isBitfleetError(error) ? error : proxyProblem(proxy, target, undefined, error)
  }
}

/** Speaks TLS on a connection, and checks who answers. */
export async function startTls(raw: Socket, target: Target, secureContext: SecureContext): Promise<TLSSocket> {
  const socket = connectTls({
    socket: raw,
    host: target.host,
    // An address is no server name; the certificate is checked against it all the same.
    servername: isIP(target.host) === 0 ? target.host : '',
    secureContext,
    ALPNProtocols: ['http/1.1'],
    // Node would end the connection without showing the certificate that does not do; whether it does is asked below,
    // before a byte is said.
    rejectUnauthorized: false,
  })
  // Until the caller listens, and after a step that came too late.
  socket.on('error', () => {})
  try {
    await inTime(once(socket, 'secureConnect'))
    if (!socket.authorized) {
      const code = String(socket.authorizationError)
      throw tlsProblem(
        target,
        Object.assign(new Error(code), { code }),
        describeCertificate(socket.getPeerCertificate()),
      )
    }
    return socket
  } catch (error) {
    socket.destroy()
    raw.destroy()
    throw isBitfleetError(error) ? error : tlsProblem(target, error)
  }
}

/** A certificate's words are its maker's: what would move a cursor is left out. */
function describeCertificate(certificate: Partial<PeerCertificate> | null | undefined): ShownCertificate {
  if (!certificate?.issuer) return {}
  const clean = (text: string) => text.replace(/[^\x20-\x7e]+/g, '?').slice(0, 200)
  const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value)
  const issuer = one(certificate.issuer.CN) ?? one(certificate.issuer.O)
  const names = certificate.subjectaltname?.replace(/\b(DNS|IP Address):/g, '')
  return {
    ...(issuer === undefined ? {} : { issuer: clean(issuer) }),
    ...(certificate.valid_from === undefined ? {} : { validFrom: certificate.valid_from }),
    ...(certificate.valid_to === undefined ? {} : { validTo: certificate.valid_to }),
    ...(names === undefined ? {} : { names: clean(names) }),
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(Object.assign(new Error(`no answer within ${stepMs / 1000} s`), { code: 'ETIMEDOUT' }))
    }, stepMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
