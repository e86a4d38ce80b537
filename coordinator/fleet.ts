import { BitfleetError } from '../shared/errors.ts'
import type { Scheduler } from './scheduler/index.ts'
import type { Fleet } from './services.ts'
import type { Store } from './store/index.ts'

/** The agents that ever connected: with one token for all of them, each is as good as enrolled. */
export function createOpenFleet(store: Pick<Store, 'listAgents'>, scheduler: Pick<Scheduler, 'agents'>): Fleet {
  const cannot = async () => {
    throw new BitfleetError(
      'unavailable',
      'agents share one token here: none can be approved, revoked or labelled alone',
    )
  }
  return {
    async list() {
      const connected = new Set(scheduler.agents().map(({ id }) => id))
      return (await store.listAgents()).map((record) => ({
        ...{ id: record.id, name: record.name, labels: record.labels, standing: 'enrolled', record },
        connected: connected.has(record.id),
      }))
    },
    ...{ approve: cannot, revoke: cannot, label: cannot },
  }
}
