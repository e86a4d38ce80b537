import type { Context, MiddlewareHandler } from 'hono'
import { BitfleetError } from '../../shared/errors.ts'
import { type Identity, includesRole, type People, type Role } from '../people/index.ts'
import { type Client, createClientReader } from './client-address.ts'
import { readSessionCookie } from './session-cookie.ts'

export interface GuardOptions {
  /** Bound to loopback alone. */
  readonly loopback: boolean
  /** Names besides loopback's that requests may call this server by; without any, and off loopback, any name goes. */
  readonly hosts: readonly string[]
  /** Addresses or networks (`10.0.0.0/8`) of reverse proxies whose `X-Forwarded-*` headers are believed. */
  readonly proxies?: readonly string[]
}

declare module 'hono' {
  interface ContextVariableMap {
    /** Who asks; there is none on what is open to everybody. */
    identity?: Identity
    client: Client
    /** Whether whoever asks still may, for an answer that lasts. */
    isStillAllowed: () => boolean
  }
}

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/** What needs nobody to be signed in: it says nothing of runs or agents. */
const openToAll: readonly (readonly [methods: string, path: RegExp])[] = [
  ['GET HEAD', /^\/api\/health$/],
  ['GET HEAD POST', /^\/sign-in$/],
  ['GET HEAD', /^\/sign-in\/[^/]+$/],
  ['GET HEAD', /^\/(live\.js|icon\.svg)$/],
]

/** Writes that anybody signed in may do: what they change is their own. */
const ownWrites = /^\/(sign-out|account\/password)$/

/**
 * Who may ask what, for whatever is mounted behind it. Reads need a viewer and writes an operator, by a bearer token or
 * by the cookie of a session; `requireRole` asks for more. It holds on loopback too: on a machine that several people
 * use, loopback is nobody's own.
 *
 * - The name a request calls this server by must be one of its own, or a page elsewhere could make a browser read it by
 *   a name that resolves to it (DNS rebinding).
 * - A write that a browser makes says where it comes from (`Origin`), and must come from here. With a cookie it must say
 *   so: the cookie is `SameSite=Strict`, but another port of the same machine is the same site to a browser.
 */
export function guard({ loopback, hosts, proxies = [] }: GuardOptions, people: People): MiddlewareHandler {
  const names = new Set(hosts.map((host) => host.toLowerCase()))
  const readClient = createClientReader(proxies)
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
    const client = readClient(c)
    c.set('client', client)
    const writes = c.req.method !== 'GET' && c.req.method !== 'HEAD'
    const origin = c.req.header('origin')
    const fetchedFrom = c.req.header('sec-fetch-site')
    const elsewhere = fetchedFrom === 'cross-site' || fetchedFrom === 'same-site'
    if (writes && (elsewhere || (origin !== undefined && !isOwnOrigin(origin, host)))) {
      throw new BitfleetError(
        'refused',
        'this request comes from another origin; writes are taken from this server alone',
      )
    }

    const open = openToAll.some(([methods, path]) => methods.split(' ').includes(c.req.method) && path.test(c.req.path))
    const token = /^bearer +(.*)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    let identity: Identity | undefined
    if (token !== undefined) {
      identity = people.bearer(token)
      c.set('isStillAllowed', () => people.bearer(token) !== undefined)
      if (!identity && !open) {
        return c.json(problem('the token is not known here, was revoked, or has expired'), 403)
      }
    } else {
      const secret = readSessionCookie(c, client)
      identity = secret === undefined ? undefined : people.session(secret)
      c.set('isStillAllowed', () => secret !== undefined && people.isSession(secret))
      if (identity && writes && origin === undefined) {
        throw new BitfleetError('refused', 'a write with a session says where it comes from, in an Origin header')
      }
    }
    if (identity) c.set('identity', identity)
    if (open) return next()
    if (!identity) return askToSignIn(c)
    demand(identity, writes && !ownWrites.test(c.req.path) ? 'operator' : 'viewer')
    return next()
  }
}

/** For a route that needs more than the guard asks for by itself. */
export function requireRole(least: Role): MiddlewareHandler {
  return async (c, next) => {
    demand(identityOf(c), least)
    return next()
  }
}

/** Who asks, on a route that is not open to all. */
export function identityOf(c: Context): Identity {
  const identity = c.get('identity')
  if (!identity) throw new BitfleetError('internal', `${c.req.path} was reached without an identity`)
  return identity
}

function demand(identity: Identity, least: Role): void {
  if (includesRole(identity.role, least)) return
  throw new BitfleetError('refused', `this needs the role ${least}, and ${identity.title} is ${identity.role}`)
}

function askToSignIn(c: Context): Response {
  if (c.req.path.startsWith('/api/')) {
    c.header('WWW-Authenticate', 'Bearer')
    return c.json(
      problem(
        'no token: send `Authorization: Bearer` with an API token, or with the content of api.token in the store',
      ),
      401,
    )
  }
  const reads = c.req.method === 'GET' || c.req.method === 'HEAD'
  if (reads && c.req.header('sec-fetch-site') === 'cross-site') {
    // A link on another site was followed. A strict cookie does not come along then, but does when this page goes on.
    return c.html('<!doctype html><meta http-equiv="refresh" content="0"><title>Bitfleet</title>')
  }
  const { pathname, search } = new URL(c.req.url)
  const wanted = reads && pathname !== '/' ? `?next=${encodeURIComponent(pathname + search)}` : ''
  return c.redirect(`/sign-in${wanted}`, 303)
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
    if (!headers.has('Referrer-Policy')) headers.set('Referrer-Policy', 'no-referrer')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
    headers.set('Cross-Origin-Opener-Policy', 'same-origin')
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
  }
}
