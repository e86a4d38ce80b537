import type { Store } from '../store/index.ts'
import type { Report } from '../report/format.ts'
import { createRunArtifacts, type FetchFrom } from './run-artifacts.ts'
import type { SchedulerOptions } from './scheduler.ts'

/** The report of a run that is under way, as if it were cancelled now. Nothing of it is kept. */
export async function buildInterimReport(
  id: string,
  store: Store,
  fetchFrom: FetchFrom,
  buildReport: SchedulerOptions['buildReport'],
): Promise<Report> {
  const data = await store.loadRun(id)
  const run = { ...data.run, state: 'cancelled', endedAt: new Date().toISOString() } as const
  const interim = { ...data, run }
  return await buildReport(interim, createRunArtifacts(interim, store, fetchFrom))
}
