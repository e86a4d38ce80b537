import type { AgentRecord } from '../shared/messages.ts'
import type { People } from './people/index.ts'
import type { Scheduler } from './scheduler/index.ts'
import type { Store } from './store/index.ts'

/** What the API and the web pages are made over. */
export interface Services {
  readonly store: Store
  readonly scheduler: Scheduler
  readonly fleet: Fleet
  readonly people: People
  /** Name and version of this program. */
  readonly software: string
}

/** An agent as people see it: whether it may work, whether it is there, and what it said of itself. */
export interface FleetMember {
  readonly id: string
  readonly name: string
  readonly standing: 'enrolled' | 'pending' | 'locked' | 'revoked'
  /** Why it is locked or revoked. */
  readonly reason?: string
  readonly labels: Readonly<Record<string, string>>
  /** ISO 8601, like `lastSeen`. */
  readonly enrolledAt?: string
  readonly lastSeen?: string
  readonly connected: boolean
  /** As it showed itself when it connected last. */
  readonly record?: AgentRecord
}

export interface Fleet {
  /** By id. */
  list(): Promise<readonly FleetMember[]>
  /** @throws `not-found`, `conflict` if it does not wait for that */
  approve(id: string, by: string): Promise<void>
  /** For good; its line is closed. @throws `not-found` */
  revoke(id: string, reason: string, by: string): Promise<void>
  /** In place of those it has. @throws `not-found` */
  label(id: string, labels: Readonly<Record<string, string>>, by: string): Promise<void>
}
