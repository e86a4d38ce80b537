export { openStore } from './file-store.ts'
export type { ExecutionSummary, RunSummary, Store } from './store.ts'
