import type { MiddlewareHandler } from 'hono'
import { BitfleetError } from '../../shared/errors.ts'
import { equalSecrets } from '../equal-secrets.ts'

export interface GuardOptions {
  readonly apiToken: string
  /** Bound to loopback: pages in a browser of this machine may read without a token. */
  readonly loopback: boolean
  /** Names besides loopback's that requests may call this server by; without any, and off loopback, any name goes. */
  readonly hosts: readonly string[]
}

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Who may ask what. The name a request calls this server by must be one of its own, or a page elsewhere could make a
 * browser read this machine's loopback by a name that resolves to it (DNS rebinding).
 */
export function guard({ apiToken, loopback, hosts }: GuardOptions): MiddlewareHandler {
  const names = new Set(hosts.map((host) => host.toLowerCase()))
  const bearer = `Bearer ${apiToken}`
  return async (c, next) => {
    const host = c.req.header('host') ?? ''
    const name = hostName(host)
    const known = loopbackNames.has(name) || names.has(name) || (!loopback && names.size === 0)
    if (!known) {
      throw new BitfleetError(
        'refused',
        'this server does not answer to the name in the Host header; BITFLEET_HOSTS adds names',
      )
    }
    const writes = c.req.method !== 'GET' && c.req.method !== 'HEAD'
    const origin = c.req.header('origin')
    if (writes && origin !== undefined && !isOwnOrigin(origin, host)) {
      throw new BitfleetError(
        'refused',
        'this request comes from another origin; writes are taken from this server alone',
      )
    }
    if (writes || !loopback) {
      const given = c.req.header('authorization')
      if (given === undefined) {
        c.header('WWW-Authenticate', 'Bearer')
        return c.json(problem('no token: send `Authorization: Bearer` with the content of api.token in the store'), 401)
      }
      if (!equalSecrets(given, bearer)) return c.json(problem("the token is not this coordinator's API token"), 403)
    }
    return next()
  }
}

function problem(message: string) {
  return { error: { code: 'refused' as const, message } }
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase()
}

function isOwnOrigin(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === host.toLowerCase()
  } catch {
    return false
  }
}

/** On every answer; a page that needs more of its policy sets its own. */
export function securityHeaders(): MiddlewareHandler {
  return async (c, next) => {
    await next()
    const { headers } = c.res
    if (!headers.has('Content-Security-Policy')) {
      headers.set(
        'Content-Security-Policy',
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      )
    }
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('X-Frame-Options', 'DENY')
    headers.set('Referrer-Policy', 'no-referrer')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
  }
}
