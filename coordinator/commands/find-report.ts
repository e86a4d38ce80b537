import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openBundle } from '../../shared/bundle.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { readNamedText } from '../../shared/named-file.ts'
import { joinBundles, reportOf } from '../bundle/import.ts'
import { type ConnectOptions, connectCoordinator, type CoordinatorClient } from '../client/client.ts'
import type { Artifacts } from '../records.ts'
import type { Report } from '../report/format.ts'
import { parseReport } from '../report/read-report.ts'
import { softwareName } from '../software.ts'

/** How a command that takes a RUN may be told where its coordinator is. */
export interface RunOptions {
  readonly url?: string
  readonly store?: string
  readonly tokenFile?: string
  readonly ca?: string
}

/** The same for a client. */
export function connectionOptions({ url, store, tokenFile, ca }: RunOptions): ConnectOptions {
  return { url, storeDir: store, tokenFile, caFile: ca }
}

/** A report, and where its bytes can be had: a folder it was written to, a bundle, or the coordinator that made it. */
export type FoundReport =
  | { readonly from: 'folder'; readonly report: Report; readonly folder: string }
  | { readonly from: 'bundle'; readonly report: Report; readonly artifacts: Artifacts }
  | { readonly from: 'coordinator'; readonly report: Report; readonly client: CoordinatorClient }

/**
 * @param run a folder that holds a `report.json`, that file itself, a bundle, or the id of a run at the coordinator
 * @throws `not-found`, `format`
 */
export async function findReport(run: string, options: RunOptions): Promise<FoundReport> {
  if (await isBundle(run)) return readBundle(run)
  const file = await reportFile(run)
  if (file) return { from: 'folder', report: await readReport(file), folder: dirname(file) }
  const client = await connectCoordinator(connectionOptions(options))
  return { from: 'coordinator', report: await client.getReport(run), client }
}

/** A file is a bundle by its name. */
export async function isBundle(path: string): Promise<boolean> {
  if (!path.endsWith('.bundle')) return false
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

/** The run of a bundle alone, compared here. */
async function readBundle(path: string): Promise<FoundReport> {
  const bundle = await openBundle(path)
  const [joined] = await joinBundles([bundle])
  if (joined === undefined) throw new BitfleetError('internal', `${path} holds no run`)
  return { from: 'bundle', report: await reportOf(joined, softwareName()), artifacts: joined.artifacts }
}

/** The report file that a path means, or undefined where it means none. */
export async function reportFile(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (!found) return undefined
  const file = found.isDirectory() ? join(path, 'report.json') : path
  if (found.isDirectory() && !(await stat(file).catch(() => undefined))) {
    throw new BitfleetError('not-found', `${path} is a folder without a report.json`)
  }
  return file
}

async function readReport(file: string): Promise<Report> {
  const text = await readNamedText(file)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new BitfleetError('format', `${file} is not JSON: ${messageOf(cause)}`, { cause })
  }
  try {
    return parseReport(value)
  } catch (cause) {
    throw new BitfleetError('format', `${file} is ${messageOf(cause)}`, { cause })
  }
}
