import type { Fleet } from './fleet.ts'
import type { Scheduler } from './scheduler/index.ts'
import type { Store } from './store/index.ts'

/** What the API and the web pages are made over. */
export interface Services {
  readonly store: Store
  readonly scheduler: Scheduler
  readonly fleet: Fleet
  /** Name and version of this program. */
  readonly software: string
}
