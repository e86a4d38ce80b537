import { hashSecret, newSecret } from './secrets.ts'

const hour = 3_600_000
/** Unused for so long, a session ends. */
export const sessionIdleMs = 12 * hour
/** So long after signing in, it ends however much it is used. */
export const sessionMs = 7 * 24 * hour

/** For whom a session acts. */
export type Subject =
  | { readonly kind: 'person'; readonly name: string }
  | { readonly kind: 'token'; readonly id: string }
  /** Whoever can read the store. */
  | { readonly kind: 'local' }

/** Who is signed in, in memory alone: a restart of the coordinator signs everybody out. */
export interface Sessions {
  /** @returns the secret for the cookie; its SHA-256 is all that is kept */
  begin(subject: Subject): string
  find(secret: string): Subject | undefined
  /** The same, and it does not count as use. */
  peek(secret: string): Subject | undefined
  end(secret: string): void
  /** @param except a session's secret that goes on */
  endAll(subject: Subject, except?: string): void
}

export interface SessionsOptions {
  readonly maxSessions?: number
  readonly maxPerSubject?: number
  /** In ms since 1970. */
  readonly now?: () => number
}

interface Session {
  readonly subject: Subject
  readonly since: number
  readonly usedAt: number
}

const keyOf = (subject: Subject) =>
  subject.kind === 'local' ? 'local' : subject.kind === 'person' ? `person:${subject.name}` : `token:${subject.id}`

export function createSessions(options: SessionsOptions = {}): Sessions {
  const { maxSessions = 10_000, maxPerSubject = 50, now = Date.now } = options
  /** By hash, the one used longest ago first. */
  const sessions = new Map<string, Session>()
  const isOver = ({ since, usedAt }: Session) => now() - since >= sessionMs || now() - usedAt >= sessionIdleMs
  const make = (subject: Subject) => {
    const own = [...sessions].filter(([, session]) => keyOf(session.subject) === keyOf(subject))
    for (const [hash] of own.slice(0, Math.max(0, own.length - maxPerSubject + 1))) sessions.delete(hash)
    if (sessions.size < maxSessions) return
    for (const [hash, session] of sessions) if (isOver(session)) sessions.delete(hash)
    const [oldest] = sessions.keys()
    if (sessions.size >= maxSessions && oldest !== undefined) sessions.delete(oldest)
  }
  return {
    begin(subject) {
      make(subject)
      const secret = newSecret()
      sessions.set(hashSecret(secret), { subject, since: now(), usedAt: now() })
      return secret
    },
    find(secret) {
      const hash = hashSecret(secret)
      const session = sessions.get(hash)
      if (!session) return undefined
      sessions.delete(hash)
      if (isOver(session)) return undefined
      sessions.set(hash, { ...session, usedAt: now() })
      return session.subject
    },
    peek(secret) {
      const session = sessions.get(hashSecret(secret))
      return session && !isOver(session) ? session.subject : undefined
    },
    end(secret) {
      sessions.delete(hashSecret(secret))
    },
    endAll(subject, except) {
      const kept = except === undefined ? undefined : hashSecret(except)
      for (const [hash, session] of sessions) {
        if (hash !== kept && keyOf(session.subject) === keyOf(subject)) sessions.delete(hash)
      }
    },
  }
}
