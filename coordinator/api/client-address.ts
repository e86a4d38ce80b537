import type { Context } from 'hono'
import { BlockList, isIP, type Socket } from 'node:net'
import { BitfleetError } from '../../shared/errors.ts'

/** Where a request comes from. */
export interface Client {
  readonly address: string
  /** It came encrypted, to here or to a proxy of ours. */
  readonly secure: boolean
}

/**
 * Reads a request's origin from its connection, and from what proxies say if they are ours.
 *
 * @param proxies addresses or networks. @throws `usage` for one that is neither
 */
export function createClientReader(proxies: readonly string[]): (c: Context) => Client {
  const trusted = new BlockList()
  for (const proxy of proxies) {
    const [address = '', bits, ...rest] = proxy.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    const length = bits === undefined ? (family === 'ipv6' ? 128 : 32) : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
    if (isIP(address) === 0 || rest.length > 0 || length < 0 || length > (family === 'ipv6' ? 128 : 32)) {
      throw new BitfleetError(
        'usage',
        `BITFLEET_PROXIES: "${proxy}" is neither an address nor a network such as 10.0.0.0/8`,
      )
    }
    trusted.addSubnet(address, length, family)
  }
  const isTrusted = (address: string) =>
    isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

  return (c) => {
    // A request that no connection brought, as tests make them, has none.
    const socket = (c.env as { incoming?: { socket?: Socket & { encrypted?: boolean } } } | undefined)?.incoming?.socket
    const peer = plain(socket?.remoteAddress ?? 'unknown')
    const encrypted = socket?.encrypted === true
    if (!isTrusted(peer)) return { address: peer, secure: encrypted }
    const forwarded = (name: string) => (c.req.header(name) ?? '').split(',').map((part) => part.trim())
    // Each proxy adds whom it heard it from: the last that is no proxy of ours is whom we can know of.
    const chain = forwarded('x-forwarded-for').map(plain)
    const address = chain.reverse().find((hop) => !isTrusted(hop))
    return {
      address: address !== undefined && isIP(address) !== 0 ? address : peer,
      secure: encrypted || forwarded('x-forwarded-proto').at(-1) === 'https',
    }
  }
}

/** An IPv4 address that came by a socket of both families. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
}
