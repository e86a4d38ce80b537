import { BitfleetError } from '../errors.ts'
import { hostAndPort, type Target, targetOf } from './address.ts'

/** A proxy that passes connections on when it is asked by CONNECT. */
export interface Proxy extends Target {
  /** `HOST:PORT`, for messages. */
  readonly title: string
  /** The value of `Proxy-Authorization`. It is in no message. */
  readonly authorization?: string
}

/**
 * @param value    `http://HOST:PORT` or `https://HOST:PORT`, perhaps with `USER:PASSWORD@` before the host; without a
 *                 scheme it is `http`
 * @param variable where it stands, for messages
 * @throws `usage`; the message does not repeat the value, which may hold a password
 */
export function parseProxy(value: string, variable: string): Proxy {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  if (!URL.canParse(text)) {
    throw new BitfleetError('usage', `${variable} is no address of a proxy; it looks like http://proxy.lab:3128`)
  }
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new BitfleetError(
      'usage',
      `${variable} names a ${url.protocol.slice(0, -1)} proxy, and only http and https proxies are spoken to; set one of those, or exempt the coordinator by NO_PROXY`,
    )
  }
  const target = targetOf(url)
  return {
    ...target,
    title: hostAndPort(target),
    ...(url.username === '' && url.password === '' ? {} : { authorization: basic(url, variable) }),
  }
}

function basic({ username, password }: URL, variable: string): string {
  try {
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`
  } catch {
    throw new BitfleetError('usage', `${variable}: its user name or password is not percent-encoded; write % as %25`)
  }
}
