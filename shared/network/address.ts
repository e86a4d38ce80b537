import { isIP } from 'node:net'
import { BitfleetError } from '../errors.ts'

/** Where an address points. */
export interface Target {
  /** A name, or an IP address without brackets. */
  readonly host: string
  readonly port: number
  readonly secure: boolean
}

/**
 * The address of a coordinator, or of a path below it.
 *
 * @param text `http:`, `https:`, `ws:` or `wss:`, perhaps with a path that a reverse proxy serves it under
 * @throws `usage` for anything else, and where it holds a password, which logs and process lists would show
 */
export function parseAddress(text: string): URL {
  if (!URL.canParse(text)) {
    throw new BitfleetError('usage', `"${text}" is no address; it looks like https://coordinator.lab:7575`)
  }
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    throw new BitfleetError(
      'usage',
      `the address of ${url.host} holds a user name or password, which logs would show; give it without`,
    )
  }
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol)) {
    throw new BitfleetError('usage', `"${text}" is no address; it starts with http:// or https://`)
  }
  return url
}

export function targetOf({ protocol, hostname, port }: URL): Target {
  const secure = protocol === 'https:' || protocol === 'wss:'
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? (secure ? 443 : 80) : Number(port), secure }
}

/** `HOST:PORT`, as a request line or a message has it. */
export function hostAndPort({ host, port }: Pick<Target, 'host' | 'port'>): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** An address below a base, whose own path stays: under a reverse proxy a coordinator may stand below a path. */
export function below(base: URL, path: string): URL {
  return new URL(base.pathname.replace(/\/+$/, '') + path, base)
}

/** Whether a host is this very machine, by name or address. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (isIP(name) === 4) return name.startsWith('127.')
  if (isIP(name) === 6) return name === '::1' || /^::ffff:(127\.|7f[0-9a-f]{2}:)/.test(name)
  return name === 'localhost' || name.endsWith('.localhost')
}

/**
 * What one customer or host is given: an IPv4 address, however it is written, or the /64 of an IPv6 address, as whoever has
 * one of those has the 2⁶⁴ beside it. Anything else stays as it is.
 */
export function networkOf(address: string): string {
  const [plain = ''] = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').split('%')
  if (!plain.includes(':')) return plain
  const [head = '', tail = ''] = plain.split('::')
  const [front, back] = [head, tail].map((part) => part.split(':').filter(Boolean)) as [string[], string[]]
  const zeros = plain.includes('::') ? Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0') : []
  return [...front, ...zeros, ...back]
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')
}
