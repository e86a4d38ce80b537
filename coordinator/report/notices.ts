import { backendName } from '../../shared/backend-description.ts'
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
    | 'environment'
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

export const noticeHeadings: Record<Notice['kind'], string> = {
  incomplete: 'No result',
  inputs: 'Inputs differ',
  'no-effect': 'Had no effect',
  fallback: 'Fell back',
  environment: 'The environment chose',
  partly: 'Partly failed',
  limit: 'Bound hit',
  warning: 'Warning',
  run: 'Plan',
  unsupported: 'Unsupported',
}

const order: readonly Notice['kind'][] = [
  'incomplete',
  'partly',
  'inputs',
  'no-effect',
  'fallback',
  'environment',
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
  const lacking = createLacks()
  for (const note of report.run.notes) add('run', 'plan', note)
  if (report.run.state !== 'done') add('incomplete', 'run', `the run is ${report.run.state}, not done`)
  for (const { workload, inputsEqual } of report.comparisons) {
    if (!inputsEqual)
      add('inputs', workload, 'the inputs differ between its classes: this compares inputs, not arithmetic')
  }
  for (const cell of report.cells) {
    for (const { kind, subject, message } of cell.notes) add(kind, subjectOf(kind, subject, cell), message, cell)
    const where = `${cell.workload} under ${conditionText(cell.condition)}`
    if (cell.status === 'unsupported') lacking.add(cell)
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
  return [...notices.values(), ...lacking.list()]
    .map(({ notice, cells }) => ({ ...notice, cells: cells.length, examples: cells.slice(0, maxExamples) }))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
}

/** A knob as plans say it: of which backend it is, is not clear where there are many. */
function subjectOf(kind: Notice['kind'], subject: string, { condition: { backend, knobs } }: ReportCell): string {
  return kind === 'no-effect' && Object.hasOwn(knobs, subject) ? `${backendName(backend)}.${subject}` : subject
}

/** What is not supported, said once for all backends of which the same is said. */
function createLacks() {
  const lacks = new Map<string, { backends: Set<string>; cells: ReportCell[] }>()
  return {
    add(cell: ReportCell) {
      const { backend } = cell.condition
      const reason = failureText(cell)
      const own = [backend, backendName(backend)].find((name) => reason.startsWith(`${name} `))
      const what = own === undefined ? reason : reason.slice(own.length + 1)
      const known = lacks.get(what) ?? { backends: new Set(), cells: [] }
      known.backends.add(backend)
      known.cells.push(cell)
      lacks.set(what, known)
    },
    list: () =>
      [...lacks].map(([message, { backends, cells }]) => ({
        notice: { kind: 'unsupported' as const, subject: [...backends].join(', '), message },
        cells,
      })),
  }
}
