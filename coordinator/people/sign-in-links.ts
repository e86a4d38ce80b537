import { hashSecret, newSecret } from './secrets.ts'
import type { Subject } from './sessions.ts'

/** How long a link works that nobody used. */
export const signInLinkMs = 5 * 60_000
const maxLinks = 1000

export interface SignInLinks {
  create(subject: Subject, path: string): { readonly secret: string; readonly expiresAt: string }
  /** Once. @returns undefined for one that was used, is too old, or never was */
  use(secret: string): { readonly subject: Subject; readonly path: string } | undefined
}

/** Addresses that sign in whoever opens them first; in memory, by SHA-256. */
export function createSignInLinks(now: () => number = Date.now): SignInLinks {
  const links = new Map<string, { subject: Subject; path: string; expiresAt: number }>()
  return {
    create(subject, path) {
      for (const [hash, { expiresAt }] of links) if (expiresAt <= now()) links.delete(hash)
      const [oldest] = links.keys()
      if (links.size >= maxLinks && oldest !== undefined) links.delete(oldest)
      const secret = newSecret()
      const expiresAt = now() + signInLinkMs
      links.set(hashSecret(secret), { subject, path, expiresAt })
      return { secret, expiresAt: new Date(expiresAt).toISOString() }
    },
    use(secret) {
      const hash = hashSecret(secret)
      const link = links.get(hash)
      links.delete(hash)
      return link && link.expiresAt > now() ? { subject: link.subject, path: link.path } : undefined
    },
  }
}
