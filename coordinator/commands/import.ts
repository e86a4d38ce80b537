import { join } from 'node:path'
import { openBundles } from '../../shared/bundle.ts'
import { isBitfleetError } from '../../shared/errors.ts'
import { type ImportedRun, importBundles } from '../bundle/import.ts'
import { connectCoordinator } from '../client/client.ts'
import { readConfig } from '../config.ts'
import { writeReport } from '../report/files.ts'
import type { Report } from '../report/format.ts'
import { visibleLine } from '../../shared/visible.ts'
import { softwareName } from '../software.ts'
import { createControlFold } from '../enrolment/index.ts'
import { type JournalRecord, openStore } from '../store/index.ts'
import { connectionOptions, type RunOptions } from './find-report.ts'

export interface ImportOptions extends RunOptions {
  readonly out?: string
  readonly json?: boolean
}

interface Imported {
  readonly runs: readonly ImportedRun[]
  readonly reports: readonly Report[]
}

/**
 * `bitfleet import F.bundle …`: what machines without a network computed becomes runs like any other, bundles of one
 * plan together one run. Into a running coordinator, or, where none runs, straight into the store.
 */
export async function importFiles(files: readonly string[], options: ImportOptions): Promise<number> {
  // All that is wrong with a file is said before any is brought anywhere.
  await openBundles(files)
  const { runs, reports } = (await throughCoordinator(files, options)) ?? (await intoStore(files, options))
  for (const report of reports) {
    if (options.out === undefined) break
    const dir = reports.length === 1 ? options.out : join(options.out, report.run.id)
    await writeReport(report, dir)
    process.stderr.write(`Report: ${visibleLine(dir)}\n`)
  }
  for (const { run, name, agents, executions, imported } of runs) {
    const state = imported ? 'imported' : 'had been imported before'
    const whose = `${executions} executions of ${visibleLine(name)} on ${agents.map(visibleLine).join(', ')}`
    process.stderr.write(`run ${run}: ${whose}: ${state}\n`)
    if (!options.json) process.stdout.write(`${run}\n`)
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ runs }, null, 2)}\n`)
  return 0
}

/** Undefined where no coordinator runs and none was named. */
async function throughCoordinator(files: readonly string[], options: ImportOptions): Promise<Imported | undefined> {
  const { url, store } = options
  const named = url ?? (store === undefined ? readConfig().url : undefined)
  try {
    const client = await connectCoordinator(connectionOptions(options))
    const runs = await client.importBundles(files)
    const reports: Report[] = []
    for (const { run } of runs) reports.push(await client.getReport(run))
    return { runs, reports }
  } catch (error) {
    if (named === undefined && isBitfleetError(error) && error.code === 'unavailable') return undefined
    throw error
  }
}

async function intoStore(files: readonly string[], options: ImportOptions): Promise<Imported> {
  // Its lock tells of a coordinator that could not be asked.
  const fold = createControlFold()
  const visit = (record: JournalRecord) => fold.apply(record)
  const store = await openStore(options.store ?? readConfig().storeDir, { visit })
  try {
    const runs = await importBundles(store, await openBundles(files), {
      software: softwareName(),
      find: (id) => fold.state.agents.get(id),
    })
    const reports: Report[] = []
    for (const { run } of runs) {
      const report = await store.loadReport(run)
      if (report) reports.push(report)
    }
    return { runs, reports }
  } finally {
    await store.close()
  }
}
