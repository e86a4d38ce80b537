import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { sessionMs } from '../people/index.ts'
import type { Client } from './client-address.ts'

/**
 * Browsers keep one jar for all ports of a name, so the port is in the cookie's: coordinators beside each other, or at
 * the ends of tunnels, would sign each other's people out.
 */
function cookieName(c: Context, { secure }: Client): string {
  const port = /:(\d+)$/.exec(c.req.header('host') ?? '')?.[1]
  return `${secure ? '__Host-' : ''}bitfleet-session${port === undefined ? '' : `-${port}`}`
}

export function readSessionCookie(c: Context, client: Client): string | undefined {
  return getCookie(c, cookieName(c, client))
}

/** Out of reach of scripts, and sent from our own pages alone. */
export function setSessionCookie(c: Context, secret: string): void {
  const client = c.get('client')
  setCookie(c, cookieName(c, client), secret, {
    ...{ httpOnly: true, sameSite: 'Strict', path: '/', secure: client.secure },
    maxAge: sessionMs / 1000,
  })
}

export function clearSessionCookie(c: Context): void {
  const client = c.get('client')
  setCookie(c, cookieName(c, client), '', {
    ...{ httpOnly: true, sameSite: 'Strict', path: '/', secure: client.secure },
    maxAge: 0,
  })
}
