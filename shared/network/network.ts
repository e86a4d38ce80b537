import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { type Target, targetOf } from './address.ts'
import { createAuthorities, pinnedAuthorities } from './authorities.ts'
import { openTcp, openTunnel, startTls } from './connect.ts'
import { parseNoProxy } from './no-proxy.ts'
import { isCertificateProblem, plainToTls } from './problems.ts'
import { parseProxy, type Proxy } from './proxy.ts'
import type { NetworkSettings } from './settings.ts'

/** How this machine reaches others. */
export interface Network {
  /** The proxy for a target, or undefined where it is reached without one. */
  proxyFor(target: Target): Proxy | undefined
  /** What TLS trusts, for those who open connections themselves. */
  secureContext(): SecureContext
  /**
   * Opens a connection to an address's host, through a proxy where there is one, and speaks TLS on it where the address
   * says so. @throws `unavailable` with what to do about it
   */
  open(url: URL): Promise<Socket>
}

/** @throws `usage` where a setting cannot be meant */
export function createNetwork(settings: NetworkSettings = {}): Network {
  const authorities = createAuthorities(settings)
  const isExempt = parseNoProxy(settings.noProxy ?? '')
  const parse = (setting: NetworkSettings['httpProxy']) => setting && parseProxy(setting.value, setting.variable)
  const proxies = { plain: parse(settings.httpProxy), secure: parse(settings.httpsProxy) }
  const secureContext = () => authorities.secureContext()

  const proxyFor = (target: Target) => {
    const proxy = target.secure ? proxies.secure : proxies.plain
    return proxy === undefined || isExempt(target) ? undefined : proxy
  }
  return {
    proxyFor,
    secureContext,
    async open(url) {
      const target = targetOf(url)
      const proxy = proxyFor(target)
      const socket = proxy === undefined ? await openTcp(target) : await openTunnel(proxy, target, secureContext)
      return target.secure ? await startTls(socket, target, secureContext()) : socket
    },
  }
}

/**
 * The way to one server of this machine: by an address of its own, whatever its name resolves to, never by a proxy, and
 * trusting its very certificate. That it is for the name is checked as ever.
 *
 * @param certificates PEM
 * @param at           address to connect to
 */
export function createPinnedNetwork(certificates: string, at: string): Network {
  const authorities = pinnedAuthorities(certificates)
  return {
    proxyFor: () => undefined,
    secureContext: () => authorities.secureContext(),
    async open(url) {
      const target = targetOf(url)
      const socket = await openTcp(target, at)
      return target.secure ? await startTls(socket, target, authorities.secureContext()) : socket
    },
  }
}

/**
 * Why a peer hung up on plain HTTP, or answered it with what is no HTTP: whether it speaks TLS is tried.
 *
 * @returns the error to throw instead, or undefined where TLS is not the reason
 */
export async function explainHangUp(network: Network, url: URL, error: unknown): Promise<Error | undefined> {
  const target = targetOf(url)
  if (target.secure) return undefined
  const secured = new URL(url)
  secured.protocol = 'https:'
  // Changing the protocol of a URL drops a port that is the new protocol's default, and keeps no default of the old.
  secured.port = String(target.port)
  try {
    const socket = await network.open(secured)
    socket.destroy()
    return plainToTls(target, error)
  } catch (problem) {
    return isCertificateProblem(problem) ? plainToTls(target, error) : undefined
  }
}
