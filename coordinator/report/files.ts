import { join } from 'node:path'
import { renderCsv } from './csv.ts'
import { removeEarlierExport } from './earlier-export.ts'
import type { Report } from './format.ts'
import { renderHtml } from './html/index.tsx'
import { renderMarkdown } from './markdown.ts'
import { writeWhole } from './whole-file.ts'

export { type ExportSummary, type ExportedTensor, exportArtifacts } from './export.ts'

export const reportFormats = ['json', 'html', 'md', 'csv'] as const
export type ReportFormat = (typeof reportFormats)[number]

const renderers: Record<ReportFormat, (report: Report) => string> = {
  json: renderJson,
  html: renderHtml,
  md: renderMarkdown,
  csv: renderCsv,
}

export function renderReport(report: Report, format: ReportFormat): string {
  return renderers[format](report)
}

/** `report.json`: keys sorted as RFC 8785 sorts them, two spaces, LF; equal reports have equal bytes. */
export function renderJson(report: Report): string {
  return `${JSON.stringify(sorted(report), null, 2)}\n`
}

/**
 * Writes `report.json`, `.html`, `.md` and `.csv` into `dir`, each whole or not at all. What was exported there with the
 * report of another run is removed.
 *
 * @returns the paths written
 */
export async function writeReport(
  report: Report,
  dir: string,
  { formats = reportFormats }: { formats?: readonly ReportFormat[] } = {},
): Promise<string[]> {
  if (formats.includes('json')) await removeEarlierExport(dir, report)
  const paths: string[] = []
  for (const format of formats) {
    const path = join(dir, `report.${format}`)
    await writeWhole(path, renderReport(report, format))
    paths.push(path)
  }
  return paths
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  )
}
