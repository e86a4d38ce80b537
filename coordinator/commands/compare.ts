import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BitfleetError, isBitfleetError } from '../../shared/errors.ts'
import { readNamedFile } from '../../shared/named-file.ts'
import { parseTrace, parseTraceBytes, type Trace } from '../../shared/trace.ts'
import type { ComparisonSource } from '../compare/files.ts'
import type { Report } from '../report/format.ts'
import { selfDifferenceText } from '../report/kind-text.ts'
import { diffExitCode, diffReports, renderReportDiff } from '../compare/run-diff.ts'
import { runDiff } from './diff.ts'
import { findReport, type FoundReport, isBundle, type RunOptions } from './find-report.ts'

/** `bitfleet diff A B`: files, cells of runs, or whole runs, by what the arguments are. */
export async function compare(a: string, b: string, options: RunOptions & { json?: boolean }): Promise<number> {
  const runs = [await isRun(a), await isRun(b)]
  if (runs[0] !== runs[1]) {
    throw new BitfleetError(
      'usage',
      `${runs[0] ? a : b} is a whole run and ${runs[0] ? b : a} is not; compare two of one kind`,
    )
  }
  if (!runs[0]) return runDiff(a, b, { json: options.json, resolve: (text) => resolveCell(text, options) })
  const reports = [await findReport(a, options), await findReport(b, options)] as const
  const diff = diffReports(reports[0].report, reports[1].report)
  process.stdout.write(options.json ? `${JSON.stringify(diff, null, 2)}\n` : renderReportDiff(diff))
  return diffExitCode(diff)
}

const runIdPattern = /^\d{8}-\d{6}-[0-9a-f]+$/

/** A folder with a report in it, that report, or the id of a run. */
async function isRun(text: string): Promise<boolean> {
  const found = await stat(text).catch(() => undefined)
  if (found) return found.isDirectory() || basename(text) === 'report.json' || (await isBundle(text))
  return runIdPattern.test(text)
}

/** RUN/CELL stands for the trace of that cell's first completed execution. */
async function resolveCell(text: string, options: RunOptions): Promise<ComparisonSource | undefined> {
  const id = basename(text)
  if (!/^c-[0-9a-f]+$/.test(id) || (await stat(text).catch(() => undefined))) return undefined
  const found = await findReport(dirname(text), options)
  const cell = found.report.cells.find((candidate) => candidate.id === id)
  if (!cell) throw new BitfleetError('not-found', `${dirname(text)} has no cell ${id}`)
  const digest = cell.traces.find((trace) => trace !== null)
  if (!digest)
    throw new BitfleetError('not-found', `no execution of cell ${id} completed, it is ${cell.status}: it has no trace`)
  const trace = await readTrace(found, digest)
  const note = selfNote(found.report, id)
  return note === undefined ? { kind: 'trace', trace } : { kind: 'trace', trace, note }
}

/** Of a cell that disagreed with itself: how, since only its first execution is compared. */
export function selfNote(report: Report, id: string): string | undefined {
  const found = report.comparisons.flatMap(({ nondeterministic }) => nondeterministic).find(({ cell }) => cell === id)
  if (found === undefined) return undefined
  const { executions, distinct, first } = found
  const where = first === null ? '' : `: ${selfDifferenceText(first)}`
  return `cell ${id} disagrees with itself, with ${distinct} different results in ${executions} executions${where}. The first execution is compared.`
}

async function readTrace(found: FoundReport, digest: string): Promise<Trace> {
  if (found.from !== 'folder') {
    const source = found.from === 'bundle' ? found.artifacts : found.client.artifacts(found.report.run.id)
    const text = await source.trace(digest)
    if (text !== undefined) return parseTrace(text)
    throw new BitfleetError('not-found', `the ${found.from} no longer has the trace ${digest}`)
  }
  const path = join(found.folder, 'traces', `${digest}.jsonl`)
  const bytes = await readNamedFile(path).catch((cause: unknown) => {
    if (!isBitfleetError(cause) || cause.code !== 'not-found') throw cause
    throw new BitfleetError(
      'not-found',
      `${found.folder} was written without traces; export them with \`bitfleet report RUN --out ${found.folder} --artifacts\``,
      { cause },
    )
  })
  return parseTraceBytes(bytes)
}
