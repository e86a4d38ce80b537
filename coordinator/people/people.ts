import { z } from 'zod'
import { BitfleetError } from '../../shared/errors.ts'
import { networkOf } from '../../shared/network/address.ts'
import { steadyNow } from '../../shared/steady-clock.ts'
import type { JournalBody } from '../store/index.ts'
import { createAttempts } from '../attempts.ts'
import { checkPassword, hashPassword, type PasswordCost } from './password.ts'
import { type ApiToken, createPeopleFold, type PeopleFold, type PeopleRecord, type Person } from './people-state.ts'
import { includesRole, lesserRole, type Role } from './roles.ts'
import { equalSecrets, hashSecret, newSecret } from './secrets.ts'
import { createSessions, type Subject } from './sessions.ts'
import { createSignInLinks } from './sign-in-links.ts'

/** Who asks, and what they may do. */
export interface Identity {
  /** For the journal: `person:NAME`, `api-token:ID`, or `api` for whoever holds the store's own token. */
  readonly by: string
  readonly role: Role
  /** For pages. */
  readonly title: string
  readonly subject: Subject
}

/** Lower case, so that no two look alike; at most 64. */
export const personNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._@-]{0,63}$/, 'a name is lower-case letters, digits and . _ @ - inside, at most 64 of them')

export interface NewApiToken {
  readonly role: Role
  readonly title: string
  /** Whose; left out, a service's. */
  readonly person?: string | undefined
  /** ISO 8601. */
  readonly expiresAt?: string | undefined
}

/** People, their sessions and tokens. Every change is in the journal before it is told. */
export interface People {
  /** By name. */
  list(): Person[]
  hasAdmin(): boolean
  /** @throws `usage`, `conflict` if there is one of this name */
  add(name: string, role: Role, password: string, by: string): Promise<Person>
  /** @throws `not-found`; `conflict` for the only admin */
  setRole(name: string, role: Role, by: string): Promise<Person>
  /**
   * Ends the person's sessions.
   *
   * @param except the secret of a session that goes on: the person's own
   * @throws `usage`, `not-found`
   */
  setPassword(name: string, password: string, by: string, except?: string): Promise<Person>
  /** With their sessions and tokens. @throws `not-found`; `conflict` for the only admin */
  remove(name: string, by: string): Promise<void>
  /** Those not revoked, by id; expired ones too. */
  tokens(): ApiToken[]
  /** @returns the token's text, which is kept nowhere. @throws `usage`, `not-found` for no such person */
  createToken(wanted: NewApiToken, by: string): Promise<{ readonly text: string; readonly token: ApiToken }>
  /** @throws `not-found` */
  revokeToken(id: string, by: string): Promise<void>
  /**
   * @param address where the attempt comes from
   * @returns the session's secret
   * @throws `refused`, in the same words whether there is such a person or not; `limit` after too many attempts
   */
  signIn(name: string, password: string, address: string): Promise<string>
  /** For a person who is signed in and would do something graver. @throws as `signIn` */
  confirm(name: string, password: string, address: string): Promise<void>
  signOut(secret: string): void
  createLink(identity: Identity, path: string): Promise<{ readonly secret: string; readonly expiresAt: string }>
  /** @returns the session's secret and where to go; undefined if the link is no good */
  useLink(secret: string, address: string): Promise<{ readonly secret: string; readonly path: string } | undefined>
  /** Whoever sends this bearer token. */
  bearer(token: string): Identity | undefined
  /** Whoever's cookie this is. */
  session(secret: string): Identity | undefined
  /** Whether it still is anybody's, for what goes on by itself: it does not count as use. */
  isSession(secret: string): boolean
}

export interface PeopleOptions {
  /** What the journal said so far; it is kept up to date here. */
  readonly fold?: PeopleFold
  readonly append: (body: JournalBody) => Promise<void>
  /** The store's own token: whoever can read the store is admin. */
  readonly apiToken: string
  /** Of new passwords; left out, what `password.ts` says. */
  readonly passwordCost?: PasswordCost
  /** In ms since 1970. */
  readonly now?: () => number
}

/** Ten guesses at once, and one more every 90 s. */
const tries = { tries: 10, refillMs: 90_000 }
/** Sessions that one person begins: each is a record in the journal. */
const entries = { tries: 200, refillMs: 60_000 }
/** Refusals that the journal takes, whoever guesses how often: 200 at once, and one more every 10 s. */
const refusals = { tries: 200, refillMs: 10_000 }

type Change = PeopleRecord extends infer R ? (R extends PeopleRecord ? Omit<R, 'at'> : never) : never

export function createPeople(options: PeopleOptions): People {
  const { fold = createPeopleFold(), append, apiToken, passwordCost, now = Date.now } = options
  const { state } = fold
  // What lives in memory alone does not depend on whether somebody sets the clock: nobody is signed out, or kept out.
  const { now: steady = steadyNow } = options
  const sessions = createSessions({ now: steady })
  const links = createSignInLinks(steady)
  const guesses = createAttempts({ ...tries, now: steady })
  const recorded = createAttempts({ ...refusals, now: steady })
  const entering = createAttempts({ ...entries, now: steady })
  /** Judging and recording happen one after the other. */
  let last: Promise<unknown> = Promise.resolve()

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
  const change = async (body: Change) => {
    await append(body)
    fold.apply({ ...body, at: new Date(now()).toISOString() })
  }
  const known = (name: string): Person => {
    const person = state.people.get(name)
    if (!person)
      throw new BitfleetError(
        'not-found',
        `there is nobody of the name ${name}; \`bitfleet people list\` shows who there is`,
      )
    return person
  }
  const keepAnAdmin = (name: string) => {
    const others = [...state.people.values()].some((person) => person.role === 'admin' && person.name !== name)
    if (known(name).role === 'admin' && !others) {
      throw new BitfleetError('conflict', `${name} is the only admin; make another first`)
    }
  }
  const hasExpired = ({ expiresAt }: ApiToken) => expiresAt !== undefined && Date.parse(expiresAt) <= now()

  const ofToken = (token: ApiToken | undefined): Identity | undefined => {
    if (!token || hasExpired(token)) return undefined
    const person = token.person === undefined ? undefined : state.people.get(token.person)
    if (token.person !== undefined && !person) return undefined
    return {
      ...{ by: `api-token:${token.id}`, title: token.title, subject: { kind: 'token', id: token.id } },
      role: person ? lesserRole(token.role, person.role) : token.role,
    }
  }
  const ofSubject = (subject: Subject): Identity | undefined => {
    if (subject.kind === 'local') return { by: 'api', role: 'admin', title: 'local admin', subject }
    if (subject.kind === 'token') return ofToken(state.tokens.get(subject.id))
    const person = state.people.get(subject.name)
    return person && { by: `person:${person.name}`, role: person.role, title: person.name, subject }
  }

  const check = async (name: string, password: string, address: string): Promise<Person> => {
    // Counted the same for names that nobody has.
    const keys = [`name:${name.slice(0, 64)}`, `address:${networkOf(address)}`]
    const waitMs = guesses.take(keys)
    if (waitMs > 0) {
      throw new BitfleetError('limit', `too many attempts to sign in; wait ${Math.ceil(waitMs / 1000)} s`)
    }
    const person = state.people.get(name)
    const right = await checkPassword(password, person?.password, passwordCost)
    // Removed or given another password meanwhile, it was the wrong one.
    if (person && right && state.people.get(name)?.password === person.password) {
      guesses.giveBack(keys)
      return person
    }
    if (recorded.take(['all']) === 0) {
      await append({ kind: 'sign-in-refused', by: 'coordinator', name: name.slice(0, 64), address })
    }
    throw new BitfleetError('refused', 'the name or the password is wrong')
  }

  return {
    list: () => [...state.people.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    hasAdmin: () => [...state.people.values()].some(({ role }) => role === 'admin'),
    async add(name, role, password, by) {
      const wrong = personNameSchema.safeParse(name).error?.issues[0]
      if (wrong) throw new BitfleetError('usage', wrong.message)
      const hash = await hashPassword(password, passwordCost)
      return inTurn(async () => {
        if (state.people.has(name)) throw new BitfleetError('conflict', `there is somebody of the name ${name} already`)
        await change({ kind: 'person-created', by, person: name, role, password: hash })
        return known(name)
      })
    },
    setRole: (name, role, by) =>
      inTurn(async () => {
        if (known(name).role === role) return known(name)
        if (role !== 'admin') keepAnAdmin(name)
        await change({ kind: 'person-changed', by, person: name, role })
        return known(name)
      }),
    async setPassword(name, password, by, except) {
      known(name)
      const hash = await hashPassword(password, passwordCost)
      return inTurn(async () => {
        known(name)
        await change({ kind: 'person-changed', by, person: name, password: hash })
        sessions.endAll({ kind: 'person', name }, except)
        return known(name)
      })
    },
    remove: (name, by) =>
      inTurn(async () => {
        keepAnAdmin(name)
        await change({ kind: 'person-removed', by, person: name })
        sessions.endAll({ kind: 'person', name })
      }),
    tokens: () => [...state.tokens.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    createToken: ({ role, title, person, expiresAt }, by) =>
      inTurn(async () => {
        if (person !== undefined && !includesRole(known(person).role, role)) {
          throw new BitfleetError(
            'usage',
            `${person} is ${known(person).role}, and a token of theirs cannot be ${role}`,
          )
        }
        if (expiresAt !== undefined && !(Date.parse(expiresAt) > now())) {
          throw new BitfleetError('usage', `a token that expires at ${expiresAt} would be of no use`)
        }
        const text = newSecret('bfa1_')
        const hash = hashSecret(text)
        const id = `t-${hash.slice(0, 12)}`
        await change({
          ...{ kind: 'api-token-created', by, token: id, hash, role, title },
          ...(person === undefined ? {} : { person }),
          ...(expiresAt === undefined ? {} : { expiresAt }),
        })
        return { text, token: state.tokens.get(id) as ApiToken }
      }),
    revokeToken: (id, by) =>
      inTurn(async () => {
        if (!state.tokens.has(id)) throw new BitfleetError('not-found', `there is no API token ${id}`)
        await change({ kind: 'api-token-revoked', by, token: id })
        sessions.endAll({ kind: 'token', id })
      }),
    async signIn(name, password, address) {
      const person = await check(name, password, address)
      const waitMs = entering.take([person.name])
      if (waitMs > 0) {
        const seconds = Math.ceil(waitMs / 1000)
        throw new BitfleetError('limit', `too many sign-ins of ${person.name}; try again in ${seconds} s`)
      }
      await append({ kind: 'signed-in', by: `person:${person.name}`, address, how: 'password' })
      return sessions.begin({ kind: 'person', name: person.name })
    },
    async confirm(name, password, address) {
      await check(name, password, address)
    },
    signOut: (secret) => sessions.end(secret),
    async createLink(identity, path) {
      await append({ kind: 'audit', by: identity.by, action: 'made', subject: 'a sign-in link' })
      return links.create(identity.subject, path)
    },
    async useLink(secret, address) {
      const link = links.use(secret)
      const identity = link && ofSubject(link.subject)
      if (!link || !identity) return undefined
      await append({ kind: 'signed-in', by: identity.by, address, how: 'link' })
      return { secret: sessions.begin(link.subject), path: link.path }
    },
    bearer(token) {
      if (equalSecrets(token, apiToken)) return ofSubject({ kind: 'local' })
      return ofToken(state.tokensByHash.get(hashSecret(token)))
    },
    session(secret) {
      const subject = sessions.find(secret)
      return subject && ofSubject(subject)
    },
    isSession(secret) {
      const subject = sessions.peek(secret)
      return subject !== undefined && ofSubject(subject) !== undefined
    },
  }
}
