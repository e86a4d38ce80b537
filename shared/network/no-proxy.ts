import { BlockList, isIP } from 'node:net'
import { isLoopback, type Target } from './address.ts'

/**
 * What `NO_PROXY` exempts: entries parted by commas or spaces, each perhaps with `:PORT`. A name exempts itself and what
 * ends in `.NAME`, also where it is written `.NAME` or `*.NAME`; an address itself; `ADDRESS/BITS` a network, for hosts
 * given by address (no name is resolved for it, as in curl and Go); `*` all. This machine is always exempt.
 *
 * @returns whether a host is reached without a proxy
 */
export function parseNoProxy(text: string): (target: Pick<Target, 'host' | 'port'>) => boolean {
  const rules = text
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(parseEntry)
  return ({ host, port }) => {
    if (isLoopback(host)) return true
    const name = host.toLowerCase().replace(/\.$/, '')
    return rules.some((rule) => (rule.port === undefined || rule.port === port) && rule.matches(name))
  }
}

interface Rule {
  readonly port?: number
  matches(host: string): boolean
}

function parseEntry(entry: string): Rule {
  // An IPv6 address is full of colons: its port stands behind brackets.
  const [, bracketed, bare, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [undefined, undefined, entry]
  const host = (bracketed ?? bare ?? '').toLowerCase()
  return { ...(port === undefined ? {} : { port: Number(port) }), matches: matcherOf(host) }
}

function matcherOf(host: string): (name: string) => boolean {
  if (host === '*') return () => true
  const network = networkOf(host)
  if (network !== undefined) return (name) => isIP(name) !== 0 && network.check(name, family(name))
  const domain = host.replace(/^\*?\./, '').replace(/\.$/, '')
  if (domain === '') return () => false
  return (name) => name === domain || name.endsWith(`.${domain}`)
}

/** An address or a network, or undefined for a name. */
function networkOf(text: string): BlockList | undefined {
  const [address = '', bits, ...rest] = text.split('/')
  if (isIP(address) === 0 || rest.length > 0) return undefined
  const widest = isIP(address) === 6 ? 128 : 32
  const length = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : Infinity
  if (length > widest) return undefined
  const list = new BlockList()
  list.addSubnet(address, length, family(address))
  return list
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}
