export { openStore, type StoreOptions } from './file-store.ts'
export type { ExecutionSummary, RunSummary, RunUnderWay, Store } from './store.ts'
