import type { JournalRecord } from '../store/index.ts'
import type { Role } from './roles.ts'

export interface Person {
  readonly name: string
  readonly role: Role
  /** As `hashPassword` gave it. */
  readonly password: string
  readonly createdAt: string
  /** When the password was last set. */
  readonly passwordAt: string
}

export interface ApiToken {
  readonly id: string
  /** SHA-256 of the token, bare hex. */
  readonly hash: string
  readonly role: Role
  /** What it is for. */
  readonly title: string
  /** Whose it is: it goes with them, and never exceeds their role. Left out, a service's. */
  readonly person?: string
  readonly createdAt: string
  readonly createdBy: string
  readonly expiresAt?: string
}

/** Who may do what, as far as the journal says. */
export interface PeopleState {
  readonly people: ReadonlyMap<string, Person>
  /** Those not revoked, by id. */
  readonly tokens: ReadonlyMap<string, ApiToken>
  /** The same by hash. */
  readonly tokensByHash: ReadonlyMap<string, ApiToken>
}

export interface PeopleFold {
  readonly state: PeopleState
  /** Records of other kinds change nothing. */
  apply(record: PeopleRecord | JournalRecord): void
}

type PeopleKinds = 'person-created' | 'person-changed' | 'person-removed' | 'api-token-created' | 'api-token-revoked'
type Dated<Record> = Record extends { kind: PeopleKinds } ? Omit<Record, 'sequence' | 'previous' | 'digest'> : never
/** What changes people and tokens, as it stands in the journal. */
export type PeopleRecord = Dated<JournalRecord>

/** The same records give the same state, wherever and whenever; `state` changes with each. */
export function createPeopleFold(): PeopleFold {
  const people = new Map<string, Person>()
  const tokens = new Map<string, ApiToken>()
  const tokensByHash = new Map<string, ApiToken>()
  const forget = (token: ApiToken | undefined) => {
    if (!token) return
    tokens.delete(token.id)
    tokensByHash.delete(token.hash)
  }
  const apply = (record: PeopleRecord | JournalRecord) => {
    switch (record.kind) {
      case 'person-created': {
        const { person: name, role, password, at } = record
        people.set(name, { name, role, password, createdAt: at, passwordAt: at })
        break
      }
      case 'person-changed': {
        const known = people.get(record.person)
        if (!known) break
        const { role = known.role, password } = record
        people.set(known.name, {
          ...known,
          role,
          ...(password === undefined ? {} : { password, passwordAt: record.at }),
        })
        break
      }
      case 'person-removed':
        people.delete(record.person)
        for (const token of [...tokens.values()]) if (token.person === record.person) forget(token)
        break
      case 'api-token-created': {
        const { token: id, hash, role, title, person, expiresAt, at: createdAt, by: createdBy } = record
        const token: ApiToken = {
          ...{ id, hash, role, title, createdAt, createdBy },
          ...(person === undefined ? {} : { person }),
          ...(expiresAt === undefined ? {} : { expiresAt }),
        }
        tokens.set(id, token)
        tokensByHash.set(hash, token)
        break
      }
      case 'api-token-revoked':
        forget(tokens.get(record.token))
        break
      default:
    }
  }
  return { state: { people, tokens, tokensByHash }, apply }
}
