export { createScheduler, type RunRequest, type Scheduler } from './scheduler.ts'
export type { RunCounts, RunEvent } from './run-events.ts'
export type { CellProgress, RunProgress } from './run-progress.ts'
