import { BitfleetError } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import { exportArtifacts, renderReport, writeReport } from '../report/files.ts'
import type { Report } from '../report/format.ts'
import { renderText } from '../report/text.ts'
import { explainReport } from './explain.ts'
import { findReport, type RunOptions } from './find-report.ts'
import { usesColor } from './terminal.ts'

export interface ReportOptions extends RunOptions {
  readonly format: 'text' | 'html' | 'json' | 'csv' | 'md'
  readonly out?: string
  readonly artifacts?: 'outputs' | 'all'
}

/** `bitfleet report RUN`: one form of it on standard output, or all of them into a folder. */
export async function report(run: string, options: ReportOptions): Promise<number> {
  const found = await findReport(run, options)
  if (options.artifacts && !options.out) {
    throw new BitfleetError('usage', '--artifacts needs --out DIR, the folder that the tensors go to')
  }
  if (options.out) {
    await writeReport(found.report, options.out)
    if (options.artifacts) {
      if (found.from === 'folder') {
        throw new BitfleetError('usage', `${found.folder} holds a report and no store; name the run at its coordinator`)
      }
      const source = found.from === 'bundle' ? found.artifacts : found.client.artifacts(found.report.run.id)
      await exportArtifacts(found.report, source, options.out, options.artifacts)
    }
    process.stderr.write(`Report: ${visibleLine(options.out)}\n`)
    return 0
  }
  process.stdout.write(render(found.report, options.format))
  return 0
}

function render(report: Report, format: ReportOptions['format']): string {
  return format === 'text' ? renderText(report, { color: usesColor(process.stdout) }) : renderReport(report, format)
}

/** `bitfleet explain RUN`. */
export async function explain(run: string, options: RunOptions & { json?: boolean }): Promise<number> {
  const { report: found } = await findReport(run, options)
  process.stdout.write(explainReport(found, { json: options.json ?? false }))
  return 0
}
