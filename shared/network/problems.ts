import { BitfleetError, messageOf } from '../errors.ts'
import { hostAndPort, type Target } from './address.ts'
import type { Proxy } from './proxy.ts'

// What went wrong on the way to a peer: the thing, the fact, the remedy. All are `unavailable`: the network may change,
// a certificate may be renewed, and an agent tries again.

type Problem = Error & { readonly code?: string }

/** Codes of OpenSSL for a chain that leads to no authority we know. */
const unknownAuthority = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'CERT_UNTRUSTED',
  'INVALID_CA',
])

/** The peer spoke TLS well enough to show a certificate, and the certificate does not do. */
export function isCertificateProblem(error: unknown): boolean {
  return [error, (error as { cause?: unknown } | undefined)?.cause].some((problem) => {
    const code = codeOf(problem) ?? ''
    return unknownAuthority.has(code) || /^(CERT_|ERR_TLS_CERT_)/.test(code)
  })
}

/** The peer ended the connection instead of answering. */
export function isHangUp(error: unknown): boolean {
  return ['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE', 'HPE_INVALID_CONSTANT'].includes(codeOf(error) ?? '')
}

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** Why TCP did not come about. */
export function tcpProblem(target: Target, error: unknown): BitfleetError {
  const where = hostAndPort(target)
  const say = (text: string) => new BitfleetError('unavailable', text, { cause: error })
  switch (rootCode(error)) {
    case 'ECONNREFUSED':
      return say(`${where} cannot be reached: nobody listens there; start the coordinator, or see to address and port`)
    case 'ENOTFOUND':
      return say(`${where} cannot be reached: the name ${target.host} does not resolve; see to DNS, or give an address`)
    case 'EAI_AGAIN':
      return say(
        `${where} cannot be reached: no name server answers for ${target.host}; see to DNS, or give an address`,
      )
    case 'ETIMEDOUT':
      return say(`${where} cannot be reached: no answer came in time; a firewall may drop what is sent to that port`)
    default:
      return say(`${where} cannot be reached: ${rootCode(error) ?? messageOf(error)}; see to the network between`)
  }
}

/** Why a proxy did not pass a connection on. @param status its answer, or undefined where it gave none */
export function proxyProblem(proxy: Proxy, target: Target, status?: number, error?: unknown): BitfleetError {
  const where = hostAndPort(target)
  const say = (text: string) => new BitfleetError('unavailable', text, error === undefined ? {} : { cause: error })
  if (status === 407) {
    return say(
      proxy.authorization === undefined
        ? `proxy ${proxy.title} wants credentials; set HTTPS_PROXY (HTTP_PROXY for http://) to http://USER:PASSWORD@${proxy.title}`
        : `proxy ${proxy.title} does not take the credentials it was given; see to user and password in HTTPS_PROXY or HTTP_PROXY`,
    )
  }
  if (status !== undefined) {
    return say(
      `proxy ${proxy.title} answered ${status} to CONNECT ${where}; have it pass that host and port, or exempt the host by NO_PROXY`,
    )
  }
  return say(
    `proxy ${proxy.title} gave no answer to CONNECT ${where}${error === undefined ? '' : `: ${messageOf(error)}`}; see to HTTPS_PROXY or HTTP_PROXY, or exempt the host by NO_PROXY`,
  )
}

/** What a message says of a certificate. */
export interface ShownCertificate {
  readonly issuer?: string
  readonly validFrom?: string
  readonly validTo?: string
  /** The names it is for. */
  readonly names?: string
}

/** Why TLS did not come about. @param shown the peer's certificate, as far as it got there */
export function tlsProblem(target: Target, error: unknown, shown: ShownCertificate = {}): BitfleetError {
  const where = hostAndPort(target)
  const problem = error as Problem
  const code = codeOf(problem) ?? ''
  const say = (text: string) => new BitfleetError('unavailable', text, { cause: error })
  if (unknownAuthority.has(code)) {
    const issuer = shown.issuer === undefined ? 'an authority' : `"${shown.issuer}",`
    return say(
      `the certificate of ${where} is signed by ${issuer} which this machine does not know; give the authority's certificate by --ca FILE or BITFLEET_CA_FILE`,
    )
  }
  if (code === 'CERT_HAS_EXPIRED') {
    return say(
      `the certificate of ${where} or of its authority has expired${shown.validTo === undefined ? '' : ` (it was good until ${shown.validTo})`}; renew it there, and see to the clock here`,
    )
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return say(
      `the certificate of ${where} is not valid yet${shown.validFrom === undefined ? '' : ` (from ${shown.validFrom})`}; see to the clocks`,
    )
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = shown.names === undefined ? 'other names' : `${shown.names} alone`
    return say(
      `the certificate of ${where} is for ${names}, not for ${target.host}; call the server by such a name, or have ${target.host} put into the certificate's subjectAltName`,
    )
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return say(`${where} answers without TLS; give its address with http://, or have it serve TLS`)
  }
  if (isHangUp(error)) {
    return say(`${where} hung up during the TLS handshake; does it speak TLS? Without, its address starts with http://`)
  }
  return say(`TLS with ${where} failed: ${messageOf(error)}`)
}

/** The peer hung up on plain HTTP because it speaks TLS. */
export function plainToTls(target: Target, cause: unknown): BitfleetError {
  return new BitfleetError(
    'unavailable',
    `${hostAndPort(target)} speaks TLS, and was spoken to without; give its address with https://`,
    { cause },
  )
}

/** Node tries every address of a name, and then tells of them all. */
function rootCode(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error) ?? codeOf(error.errors[0])
  return codeOf(error)
}
