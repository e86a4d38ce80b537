import { canonicalJson } from '../../shared/canonical-json.ts'
import type { Comparison, Report, ReportCell } from './format.ts'
import { agentNames, conditionText, failureText } from './wording.ts'

interface Placed {
  readonly comparison: Comparison | undefined
  readonly letter: string
}

const columns: Record<string, (cell: ReportCell, placed: Placed, agentName: string) => string | number> = {
  cell: ({ id }) => id,
  agent: ({ agent }) => agent,
  agent_name: (_cell, _placed, agentName) => agentName,
  workload: ({ workload }) => workload,
  workload_version: ({ workloadVersion }) => workloadVersion,
  params: ({ params }) => canonicalJson(params),
  seed: ({ seed }) => seed,
  condition: ({ condition }) => conditionText(condition),
  backend: ({ condition }) => condition.backend,
  backend_version: ({ condition }) => condition.version ?? '',
  device: ({ condition }) => condition.device,
  label: ({ condition }) => condition.label,
  knobs: ({ condition }) => canonicalJson(condition.knobs),
  effective: ({ condition }) => canonicalJson(condition.effective),
  status: ({ status }) => status,
  why: (cell) => (cell.status === 'completed' ? '' : failureText(cell)),
  verdict: (_cell, { comparison }) => comparison?.verdict ?? '',
  class: (_cell, { letter }) => letter,
  repetitions: ({ repetitions }) => repetitions,
  completed: ({ traces }) => traces.filter((trace) => trace !== null).length,
  distinct_traces: ({ traces }) => new Set(traces.filter((trace) => trace !== null)).size,
  traces: ({ traces }) => [...new Set(traces.filter((trace) => trace !== null))].join(' '),
  outputs: ({ outputs }) => outputs.map(({ name, digest }) => `${name}=${digest}`).join(' '),
  wall_ms: ({ resources }) => resources.wallMs,
  cpu_ms: ({ resources }) => resources.cpuMs ?? '',
  max_rss_bytes: ({ resources }) => resources.maxRssBytes ?? '',
}

/**
 * One row a cell, RFC 4180. Text that a spreadsheet would take for a formula is led by an apostrophe; NUL, which no
 * reader of CSV expects, is shown as ␀.
 */
export function renderCsv(report: Report): string {
  const places = new Map<string, Placed>()
  for (const comparison of report.comparisons) {
    const place = (ids: readonly string[], letter: string) => {
      // A cell of which some executions completed is in a class, and among the incomplete ones too.
      for (const id of ids) if (!places.has(id)) places.set(id, { comparison, letter })
    }
    comparison.classes.forEach(({ letter, cells }) => place(cells, letter))
    place(
      comparison.nondeterministic.map(({ cell }) => cell),
      '~',
    )
    place([...comparison.unsupported, ...comparison.incomplete], '')
  }
  const names = agentNames(report)
  const rows = report.cells.map((cell) => {
    const placed = places.get(cell.id) ?? { comparison: undefined, letter: '' }
    return Object.values(columns).map((read) => field(read(cell, placed, names.get(cell.agent) ?? '')))
  })
  return [Object.keys(columns), ...rows].map((row) => `${row.join(',')}\r\n`).join('')
}

function field(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const text = value.replaceAll('\0', '␀')
  // Spreadsheets skip leading white space before they look for a formula's sign; full-width signs count too.
  const guarded = /^[\s\u00a0]*[=+\-@＝＋－＠]|^[\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded
}
