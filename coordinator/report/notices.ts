import type { Report, ReportCell } from './format.ts'
import { conditionText, failureText, listed, plural } from './wording.ts'

/** Something a reader must not miss, said once however many cells it holds for. */
export interface Notice {
  readonly kind:
    | 'run'
    | 'incomplete'
    | 'partly'
    | 'inputs'
    | 'no-effect'
    | 'fallback'
    | 'limit'
    | 'warning'
    | 'unsupported'
  readonly subject: string
  readonly message: string
  /** How many cells; 0 where it is about the run. */
  readonly cells: number
  /** Up to `maxExamples` cells it holds for. */
  readonly examples: readonly ReportCell[]
}

const maxExamples = 40

const order: readonly Notice['kind'][] = [
  'incomplete',
  'partly',
  'inputs',
  'no-effect',
  'fallback',
  'limit',
  'warning',
  'run',
  'unsupported',
]

/** All that must not be silent, the gravest first. */
export function collectNotices(report: Report): Notice[] {
  const notices = new Map<string, { notice: Omit<Notice, 'cells' | 'examples'>; cells: ReportCell[] }>()
  const add = (kind: Notice['kind'], subject: string, message: string, cell?: ReportCell) => {
    const key = JSON.stringify([kind, subject, message])
    const entry = notices.get(key) ?? { notice: { kind, subject, message }, cells: [] }
    if (cell) entry.cells.push(cell)
    notices.set(key, entry)
  }
  for (const note of report.run.notes) add('run', 'plan', note)
  if (report.run.state !== 'done') add('incomplete', 'run', `the run is ${report.run.state}, not done`)
  for (const { workload, inputsEqual } of report.comparisons) {
    if (!inputsEqual)
      add('inputs', workload, 'the inputs differ between its classes: this compares inputs, not arithmetic')
  }
  for (const cell of report.cells) {
    for (const { kind, subject, message } of cell.notes) add(kind, subject, message, cell)
    const where = `${cell.workload} under ${conditionText(cell.condition)}`
    if (cell.status === 'unsupported') add('unsupported', cell.condition.backend, failureText(cell), cell)
    else if (cell.failures.length > 0) {
      const failed = listed(cell.failures.map(({ repetition, message }) => `${repetition} (${message})`))
      const what = cell.failures.length === 1 ? 'repetition' : 'repetitions'
      add('partly', where, `${what} ${failed} of ${cell.repetitions} did not complete; the others are compared`, cell)
    } else if (cell.status !== 'completed') add('incomplete', where, failureText(cell), cell)
    const varying = Object.keys(cell.varying)
    if (varying.length > 0) {
      add(
        'warning',
        where,
        `${plural(varying.length, 'fact')} changed between its executions: ${varying.join(', ')}`,
        cell,
      )
    }
  }
  return [...notices.values()]
    .map(({ notice, cells }) => ({ ...notice, cells: cells.length, examples: cells.slice(0, maxExamples) }))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
}
