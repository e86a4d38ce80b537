export type { RunRequest } from './prepare-run.ts'
export { createScheduler, type Scheduler } from './scheduler.ts'
export type { RunCounts, RunEvent } from './run-events.ts'
export type { CellProgress, RunProgress } from './run-progress.ts'
