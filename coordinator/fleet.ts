import type { AgentRecord } from '../shared/messages.ts'
import type { RegisteredAgent, Registry } from './enrolment/index.ts'
import type { Scheduler } from './scheduler/index.ts'
import type { Store } from './store/index.ts'

/** An agent as people see it: how it stands, and what it said of itself when it last came. */
export interface FleetMember
  extends Pick<RegisteredAgent, 'id' | 'name' | 'standing' | 'reason' | 'ahead' | 'labels' | 'enrolledAt'> {
  readonly connected: boolean
  /** ISO 8601: when it last connected. */
  readonly lastSeen?: string
  /** Missing until it has connected once. */
  readonly record?: AgentRecord
}

/** Who is in the fleet, and what operators do with them. `by` says who, for the audit. */
export interface Fleet {
  readonly fingerprint: string
  /** By id. */
  list(): Promise<FleetMember[]>
  find: Registry['find']
  createToken: Registry['createToken']
  /** @throws `not-found`, `conflict` */
  approve(id: string, by: string): Promise<void>
  /** Ends a lock. @throws `not-found`, `conflict` unless it is locked */
  unlock(id: string, by: string): Promise<void>
  /** For good: its line is closed and what it still brings is set apart. @throws `not-found` */
  revoke(id: string, reason: string, by: string): Promise<void>
  /** Replaces all of its labels. @throws `not-found` */
  label(id: string, labels: Readonly<Record<string, string>>, by: string): Promise<void>
  /** Forgets agents that are locked or revoked, or not connected since. @returns their ids */
  prune(unseenSince: Date | undefined, by: string): Promise<string[]>
}

export function createFleet(registry: Registry, scheduler: Scheduler, store: Pick<Store, 'listAgents'>): Fleet {
  return {
    fingerprint: registry.fingerprint,
    async list() {
      const records = new Map((await store.listAgents()).map((record) => [record.id, record]))
      const connected = scheduler.connected()
      return registry.agents().map(({ id, name, standing, reason, ahead, labels, enrolledAt, renewedAt }) => {
        const record = records.get(id)
        return {
          ...{ id, name, standing, labels, enrolledAt, connected: connected.has(id) },
          ...(reason === undefined ? {} : { reason }),
          ...(ahead && { ahead }),
          ...(renewedAt === undefined ? {} : { lastSeen: renewedAt }),
          ...(record === undefined ? {} : { record }),
        }
      })
    },
    find: (id) => registry.find(id),
    createToken: (options, by) => registry.createToken(options, by),
    async approve(id, by) {
      await registry.approve(id, by)
    },
    async unlock(id, by) {
      await registry.unlock(id, by)
    },
    async revoke(id, reason, by) {
      await registry.revoke(id, reason, by)
    },
    async label(id, labels, by) {
      await registry.label(id, labels, by)
    },
    prune: (unseenSince, by) => registry.prune(unseenSince, scheduler.connected(), by),
  }
}
